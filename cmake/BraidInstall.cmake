# `cmake --install`: the command, the libraries, exactly the headers under */include/braid, and a
# package that find_package(braid) finds.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(braid_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/braid)
set(braid_rooms core compiler dsl nodes runtime onnx)

foreach(room ${braid_rooms})
  install(TARGETS braid_${room} EXPORT braidTargets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT braid)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${room}/include/braid
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT braid FILES_MATCHING PATTERN "*.h")
endforeach()
install(TARGETS braid_capi EXPORT braidTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT braid)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/capi/include/braid
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT braid FILES_MATCHING PATTERN "*.h")
install(EXPORT braidTargets NAMESPACE braid:: DESTINATION ${braid_package_dir} COMPONENT braid)
install(TARGETS braid RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT braid)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/THIRD_PARTY.md
  DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT braid)

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/braidConfig.cmake.in
  ${PROJECT_BINARY_DIR}/braidConfig.cmake INSTALL_DESTINATION ${braid_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/braidConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/braidConfig.cmake ${PROJECT_BINARY_DIR}/braidConfigVersion.cmake
  ${CMAKE_CURRENT_LIST_DIR}/BraidPlugin.cmake
  DESTINATION ${braid_package_dir} COMPONENT braid)
