# cmake --install: the command with its manual pages and completions, the library (shared and static), its public
# headers, and how pkg-config and CMake find them.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/millrace)

# A MuJoCo that isn't the system's is installed as well, into a folder that FindMuJoCo.cmake takes for a release.
set(mujoco_dir ${CMAKE_INSTALL_LIBDIR}/millrace/mujoco)
if(MuJoCo_IS_SYSTEM)
    set(mujoco_libs ${MuJoCo_LIBRARY})
else()
    get_filename_component(mujoco_file ${MuJoCo_LIBRARY} REALPATH)
    get_filename_component(mujoco_name ${mujoco_file} NAME)
    file(RELATIVE_PATH mujoco_from_bin /prefix/${CMAKE_INSTALL_BINDIR} /prefix/${mujoco_dir})
    file(GLOB mujoco_licenses ${MuJoCo_INCLUDE_DIR}/../LICENSE*)
    install(FILES ${mujoco_file} ${mujoco_licenses} DESTINATION ${mujoco_dir})
    install(DIRECTORY ${MuJoCo_INCLUDE_DIR}/mujoco DESTINATION ${mujoco_dir}/include FILES_MATCHING PATTERN "*.h")
    file(RELATIVE_PATH mujoco_from_lib /prefix/${CMAKE_INSTALL_LIBDIR} /prefix/${mujoco_dir})
    set_target_properties(millrace_command PROPERTIES INSTALL_RPATH "$ORIGIN/${mujoco_from_bin}")
    set_target_properties(millrace PROPERTIES INSTALL_RPATH "$ORIGIN/${mujoco_from_lib}")
    set(mujoco_cflags "-I\${prefix}/${mujoco_dir}/include")
    set(mujoco_libs "\${prefix}/${mujoco_dir}/${mujoco_name} -Wl,-rpath,\${prefix}/${mujoco_dir}")
endif()

install(TARGETS millrace_command)

# The manual pages are written by the command, from the tables that --help shows.
set(manual ${CMAKE_BINARY_DIR}/man)
add_custom_command(OUTPUT ${manual}/millrace.1
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${manual}
    COMMAND millrace_command help --man ${manual}
    DEPENDS millrace_command VERBATIM)
add_custom_target(millrace_manual ALL DEPENDS ${manual}/millrace.1)
install(DIRECTORY ${manual}/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)

set(completion scripts/install/completion)
install(FILES ${completion}/millrace.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME millrace)
set(zsh_folder site-functions)
if(CMAKE_INSTALL_PREFIX STREQUAL /usr) # where Debian's zsh looks for those of packages
    set(zsh_folder vendor-completions)
endif()
install(FILES ${completion}/_millrace DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/${zsh_folder})
install(FILES ${completion}/millrace.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(TARGETS millrace millrace_static EXPORT millrace INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT millrace FILE millraceTargets.cmake NAMESPACE millrace:: DESTINATION ${package_dir})
install(DIRECTORY include/millrace DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

configure_package_config_file(scripts/install/millraceConfig.cmake.in millraceConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(millraceConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/millraceConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/millraceConfigVersion.cmake
              envs/mujoco/FindMuJoCo.cmake scripts/install/packages.cmake
        DESTINATION ${package_dir})

set(private_libs ${CSV_LIBRARY})
foreach(module OPENBLAS JANSSON YAML PROTOBUF_C ISAL SODIUM EXPAT ZIP PNG JPEG ZMQ MSGPACK)
    list(APPEND private_libs ${${module}_LINK_LIBRARIES})
endforeach()
list(APPEND private_libs ${OpenMP_C_FLAGS} -lm -ldl)
string(JOIN " " private_libs ${private_libs})

# The prefix may be given as late as `cmake --install --prefix DIR`: the file finds it from where it is.
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH up_to_prefix /prefix/${pkgconfig_dir} /prefix)
configure_file(scripts/install/millrace.pc.in millrace.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/millrace.pc DESTINATION ${pkgconfig_dir})

# Before anything is installed, `PKG_CONFIG_PATH=build/release pkg-config millrace` finds this one, and with it the
# headers where they are.
set(mujoco_libs_as_built ${MuJoCo_LIBRARY})
if(NOT MuJoCo_IS_SYSTEM)
    get_filename_component(mujoco_folder ${MuJoCo_LIBRARY} DIRECTORY)
    string(APPEND mujoco_libs_as_built " -Wl,-rpath,${mujoco_folder}")
endif()
configure_file(scripts/install/millrace-uninstalled.pc.in millrace-uninstalled.pc @ONLY)

# CMake leaves a list of what it installed in the build folder. A list that `sudo cmake --install` left can't be
# written anew by the user, but removed.
install(CODE "file(REMOVE \"${CMAKE_BINARY_DIR}/install_manifest.txt\")")
