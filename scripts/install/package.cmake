# cpack -G DEB: a package of what install.cmake installs, for every machine of its kind, not for this one alone.
set(CPACK_PACKAGE_NAME millrace)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_DESCRIPTION
"Trains, evaluates and deploys agents whose policies are normalizing flows:
one command, a library for C and C++, MuJoCo tasks built in, any other
environment over ZeroMQ. The same flows estimate densities of tables, images
and text, generate samples and approximate posteriors.")
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
                                                WORLD_READ WORLD_EXECUTE)
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_CURRENT_BINARY_DIR}/package_portable.cmake)
configure_file(scripts/install/package_portable.cmake.in package_portable.cmake @ONLY)

# Who packages, as Debian's tools are told.
set(maintainer "millrace developers <maintainers@millrace.example>")
if(DEFINED ENV{DEBEMAIL})
    set(maintainer "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
endif()
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "${maintainer}")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
if(NOT MuJoCo_IS_SYSTEM) # the package has its own
    set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${mujoco_folder})
endif()
# Loaded, or started, when a picture or a video is made.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "ffmpeg, gnuplot-nox | gnuplot, libegl1, libgl1-mesa-dri")
# Loaded by `record` and `train --demonstrations`; the package that has it is called otherwise in each Debian.
file(REAL_PATH "${HDF5_LINK_LIBRARIES}" hdf5_file)
execute_process(COMMAND dpkg-query -S ${hdf5_file} OUTPUT_VARIABLE hdf5_owner ERROR_QUIET)
string(REGEX MATCH "^[^:]+" hdf5_package "${hdf5_owner}")
if(hdf5_package)
    string(APPEND CPACK_DEBIAN_PACKAGE_RECOMMENDS ", ${hdf5_package}")
endif()
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "bash-completion")

# The library's: ldconfig has to see it, and packages of programs that use it depend on this one.
set(control ${CMAKE_CURRENT_BINARY_DIR}/debian)
file(WRITE ${control}/triggers "activate-noawait ldconfig\n")
file(WRITE ${control}/shlibs "libmillrace ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR} millrace (>= ${PROJECT_VERSION})\n")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${control}/triggers ${control}/shlibs)

# What Debian asks of every package, made in the staging folder.
string(TIMESTAMP package_date "%a, %d %b %Y %H:%M:%S +0000" UTC)
configure_file(scripts/install/debian/changelog.in ${control}/changelog @ONLY)
configure_file(scripts/install/debian/copyright.in ${control}/copyright @ONLY)
configure_file(scripts/install/package_debian.cmake.in package_debian.cmake @ONLY)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_BINARY_DIR}/package_debian.cmake)
include(CPack)
