# Writes files into C files of the build folder, so that the library carries them with it (base/embedded.h).

# Makes OUTPUT, a C file with the array ARRAY of the files that match the patterns and their number n_ARRAY, in the order
# of their names. HEADER declares both. Runs when configuring, and again whenever a file changed.
function(mr_embed output array header)
    list(TRANSFORM ARGN PREPEND ${PROJECT_SOURCE_DIR}/ OUTPUT_VARIABLE patterns)
    file(GLOB files CONFIGURE_DEPENDS ${patterns})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${files})
    string(REGEX REPLACE "^mr_" "mr_n_" number ${array})
    set(arrays "")
    set(rows "")
    foreach(path ${files})
        get_filename_component(file ${path} NAME)
        get_filename_component(name ${path} NAME_WE)
        file(READ ${path} bytes HEX)
        string(REGEX REPLACE "(..)" "0x\\1," bytes ${bytes})
        string(REGEX REPLACE "(................................................................................)"
               "    \\1\n" bytes ${bytes}) # 16 bytes a line
        string(APPEND arrays "static const unsigned char file_${name}[] = {\n${bytes}0x00};\n\n")
        string(APPEND rows "    {\"${file}\", file_${name}, sizeof file_${name} - 1},\n")
    endforeach()
    file(CONFIGURE OUTPUT ${output} @ONLY CONTENT
"// Made from @ARGN@ by base/embed.cmake.

#include \"@header@\"

#include \"base/status.h\"

@arrays@const mr_embedded_file @array@[] = {
@rows@};

const size_t @number@ = MR_COUNT(@array@);
")
endfunction()
