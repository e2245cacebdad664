# `cmake --install`: the command, the libraries, exactly the headers under */include/braid, a package
# that find_package(braid) finds, and one for pkg-config. Components, as the .debs have them:
#
#   library    libbraid.so.1, the C interface
#   dev        what compilers need: headers, static libraries, packages
#   tool       the command, its completions, its manual, examples
#   cuda       libbraid_cuda.so, where it is built
#   documents  licences; each .deb has its own
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(braid_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/braid)
set(braid_rooms core compiler dsl nodes runtime onnx)

foreach(room ${braid_rooms})
  install(TARGETS braid_${room} EXPORT braidTargets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${room}/include/braid
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev FILES_MATCHING PATTERN "*.h")
endforeach()
install(TARGETS braid_capi EXPORT braidTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT dev)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/capi/include/braid
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev FILES_MATCHING PATTERN "*.h")
install(EXPORT braidTargets NAMESPACE braid:: DESTINATION ${braid_package_dir} COMPONENT dev)

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/braidConfig.cmake.in
  ${PROJECT_BINARY_DIR}/braidConfig.cmake INSTALL_DESTINATION ${braid_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/braidConfigVersion.cmake
  COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/braidConfig.cmake ${PROJECT_BINARY_DIR}/braidConfigVersion.cmake
  ${CMAKE_CURRENT_LIST_DIR}/BraidPlugin.cmake
  DESTINATION ${braid_package_dir} COMPONENT dev)

# Found wherever the files lie, as the CMake package is.
file(RELATIVE_PATH braid_up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
foreach(name braid braid-runtime)
  configure_file(${CMAKE_CURRENT_LIST_DIR}/${name}.pc.in ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${name}.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev)
endforeach()

install(TARGETS braid RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT tool)
set(shells ${PROJECT_BINARY_DIR}/cli/shells)
install(FILES ${shells}/braid.bash RENAME braid
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT tool)
install(FILES ${shells}/_braid DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions
  COMPONENT tool)
install(FILES ${shells}/braid.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d
  COMPONENT tool)
install(FILES ${shells}/braid.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT tool)
# Networks that need no data from elsewhere, and the schema that they name.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples/digits ${PROJECT_SOURCE_DIR}/examples/networks
  ${PROJECT_SOURCE_DIR}/examples/embed
  DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT tool PATTERN "check" EXCLUDE
  PATTERN "expected" EXCLUDE)
install(FILES ${PROJECT_SOURCE_DIR}/examples/braid.schema.json
  DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT tool)

install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/THIRD_PARTY.md
  DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT documents)
