# The libraries that libmillrace is linked with and that pkg-config knows: for our own build, and for an installed
# millraceConfig.cmake.
find_package(PkgConfig REQUIRED)

# Defines PkgConfig::PREFIX, the first of the modules that there is.
macro(mr_find_module prefix)
    pkg_search_module(${prefix} REQUIRED IMPORTED_TARGET ${ARGN})
    # An include path that isn't absolute is a mistake of the .pc file (msgpack-c 6.0.1 has "-Iinclude"): it would
    # be taken from wherever the build happens to run.
    get_target_property(mr_include_dirs PkgConfig::${prefix} INTERFACE_INCLUDE_DIRECTORIES)
    if(mr_include_dirs)
        list(FILTER mr_include_dirs INCLUDE REGEX "^/")
        set_target_properties(PkgConfig::${prefix} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${mr_include_dirs}")
    endif()
endmacro()

mr_find_module(OPENBLAS openblas)
mr_find_module(JANSSON jansson)
mr_find_module(YAML yaml-0.1)
mr_find_module(PROTOBUF_C libprotobuf-c)
mr_find_module(ISAL libisal) # its CRC-32C, and inflating .gz
mr_find_module(SODIUM libsodium) # its SHA-256; libzmq brings it
mr_find_module(EXPAT expat) # finds the files that a model names
mr_find_module(ZIP libzip) # for .npz
mr_find_module(PNG libpng) # for images as data
mr_find_module(JPEG libjpeg)
mr_find_module(ZMQ libzmq)
mr_find_module(MSGPACK msgpack-c msgpack) # the C library's name changed with 6.0
