# Finds MuJoCo and defines the imported target MuJoCo::MuJoCo.
#
#   MUJOCO_ROOT  a MuJoCo release to use instead of the system's: MuJoCo's own archive (include/mujoco/mujoco.h,
#                lib/libmujoco.so) or the package folder of a Python wheel (include/mujoco/mujoco.h,
#                libmujoco.so.X.Y.Z, of which there is no plain libmujoco.so). /usr, or a link to it: the system's
#
# Sets MuJoCo_FOUND, MuJoCo_VERSION, MuJoCo_INCLUDE_DIR and MuJoCo_LIBRARY; MuJoCo_IS_SYSTEM, where programs find it
# by themselves.

set(root "")
if(MUJOCO_ROOT)
    get_filename_component(root "${MUJOCO_ROOT}" REALPATH) # a link may point to another release by now
endif()
if(root STREQUAL "/usr")
    set(root "")
endif()
if(root)
    set(MuJoCo_IS_SYSTEM FALSE)
else()
    set(MuJoCo_IS_SYSTEM TRUE)
endif()
if(NOT "${root}" STREQUAL "${MuJoCo_ROOT_USED}") # another release: forget what was found
    unset(MuJoCo_INCLUDE_DIR CACHE)
    unset(MuJoCo_LIBRARY CACHE)
endif()
set(MuJoCo_ROOT_USED "${root}" CACHE INTERNAL "The MUJOCO_ROOT that the results belong to")

if(root)
    file(GLOB wheel_libraries ${root}/libmujoco.so.*)
    find_path(MuJoCo_INCLUDE_DIR mujoco/mujoco.h PATHS ${root}/include NO_DEFAULT_PATH)
    find_library(MuJoCo_LIBRARY NAMES mujoco PATHS ${root}/lib NO_DEFAULT_PATH)
    if(NOT MuJoCo_LIBRARY AND wheel_libraries)
        list(GET wheel_libraries 0 wheel_library)
        set(MuJoCo_LIBRARY ${wheel_library} CACHE FILEPATH "MuJoCo's library" FORCE)
    endif()
else()
    find_path(MuJoCo_INCLUDE_DIR mujoco/mujoco.h)
    find_library(MuJoCo_LIBRARY NAMES mujoco)
endif()

# The header gives the version as one number: 222 for 2.2.2; in newer releases, three digits a part.
if(MuJoCo_INCLUDE_DIR)
    file(STRINGS ${MuJoCo_INCLUDE_DIR}/mujoco/mujoco.h line REGEX "#define mjVERSION_HEADER")
    string(REGEX REPLACE "[^0-9]*([0-9]+).*" "\\1" number "${line}")
    if(number GREATER 999999)
        math(EXPR major "${number} / 1000000")
        math(EXPR minor "${number} / 1000 % 1000")
        math(EXPR patch "${number} % 1000")
    else()
        math(EXPR major "${number} / 100")
        math(EXPR minor "${number} / 10 % 10")
        math(EXPR patch "${number} % 10")
    endif()
    set(MuJoCo_VERSION ${major}.${minor}.${patch})
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(MuJoCo
    REQUIRED_VARS MuJoCo_LIBRARY MuJoCo_INCLUDE_DIR VERSION_VAR MuJoCo_VERSION
    REASON_FAILURE_MESSAGE "run scripts/setup, install libmujoco-dev, or give a release's folder by -DMUJOCO_ROOT=DIR")
mark_as_advanced(MuJoCo_INCLUDE_DIR MuJoCo_LIBRARY)

if(MuJoCo_FOUND AND NOT TARGET MuJoCo::MuJoCo)
    add_library(MuJoCo::MuJoCo SHARED IMPORTED)
    set_target_properties(MuJoCo::MuJoCo PROPERTIES
        IMPORTED_LOCATION ${MuJoCo_LIBRARY}
        INTERFACE_INCLUDE_DIRECTORIES ${MuJoCo_INCLUDE_DIR})
endif()
