# Writes the models into a C file of the build folder, so that the library carries them with it.
# Sets MILLRACE_MODEL_SOURCES. Runs when configuring, and again whenever a model changed.

function(mr_embed_models output)
    file(GLOB models CONFIGURE_DEPENDS ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/models/*.xml)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${models})
    set(arrays "")
    set(rows "")
    foreach(model ${models})
        get_filename_component(file ${model} NAME)
        get_filename_component(name ${model} NAME_WE)
        file(READ ${model} bytes HEX)
        string(REGEX REPLACE "(..)" "0x\\1," bytes ${bytes})
        string(REGEX REPLACE "(................................................................................)"
               "    \\1\n" bytes ${bytes}) # 16 bytes a line
        string(APPEND arrays "static const unsigned char ${name}[] = {\n${bytes}\n};\n\n")
        string(APPEND rows "    {\"${file}\", ${name}, sizeof ${name}},\n")
    endforeach()
    file(CONFIGURE OUTPUT ${output} @ONLY CONTENT
"// Made from envs/mujoco/models/ by envs/mujoco/embed.cmake.

#include \"envs/mujoco/model.h\"

@arrays@const mr_model_file mr_model_files[] = {
@rows@};

const size_t mr_n_model_files = MR_COUNT(mr_model_files);
")
endfunction()

set(MILLRACE_MODEL_SOURCES ${CMAKE_CURRENT_BINARY_DIR}/models.c)
mr_embed_models(${MILLRACE_MODEL_SOURCES})
