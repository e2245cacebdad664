# `cmake --build build/release --target debs`: Debian packages in build/release/packages, one for each
# component of BraidInstall.cmake but `documents`.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME braid)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")  # each package has its own
set(CPACK_PACKAGE_VENDOR "The Braid authors")
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_THREADS 0)
set(CPACK_COMPONENTS_ALL library dev tool)
if(TARGET braid_cuda)
  list(APPEND CPACK_COMPONENTS_ALL cuda)
endif()
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_VERBATIM_VARIABLES ON)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "The Braid authors <braid@lists.invalid>")
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS ON)
# What is linked with libbraid asks for no older one.
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_LIST_DIR}/deb/triggers)

# braid_deb(COMPONENT PACKAGE SECTION SUMMARY TEXT)
macro(braid_deb component package section summary text)
  string(TOUPPER ${component} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${package})
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION ${section})
  set(CPACK_DEBIAN_${upper}_DESCRIPTION "${summary}\n${text}")
endmacro()
set(braid_about "Braid trains and runs neural networks that are written in YAML, on CPUs
and NVIDIA GPUs. The same file gives the same weights, bit for bit, on any
number of devices.")
braid_deb(library libbraid${PROJECT_VERSION_MAJOR} libs "neural networks from YAML, C library"
"${braid_about}
.
This package has the shared library with the C interface.")
braid_deb(dev libbraid-dev libdevel "neural networks from YAML, development files"
"${braid_about}
.
This package has what compilers need: headers for C and C++, the static
libraries of the C++ interface, which want the compiler of this release, and
packages for CMake and pkg-config.")
braid_deb(tool braid science "neural networks from YAML, command"
"${braid_about}
.
This package has the command, its completion for bash, zsh and fish, its
manual page, and examples.")
braid_deb(cuda braid-cuda science "neural networks from YAML, backend for NVIDIA GPUs"
"${braid_about}
.
This package has the backend that the command and programs load when a
network is to run on a GPU. It depends on no package of NVIDIA's: the driver,
cuBLASLt, cuDNN 9 and NCCL have to be there, wherever they came from;
`braid devices` says what is missing.")

set(CPACK_DEBIAN_LIBRARY_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_TOOL_PACKAGE_SHLIBDEPS ON)
# What find_dependency of braidConfig.cmake and Requires of braid-runtime.pc ask for.
set(braid_dev "libtbb-dev, libdnnl-dev, ocl-icd-opencl-dev, libfmt-dev, zlib1g-dev, libyaml-dev, libhwy-dev, libmd-dev")
if(ONNX_FOUND)
  string(APPEND braid_dev ", libonnx-dev, libprotobuf-dev")
endif()
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "${braid_dev}")
set(CPACK_COMPONENT_DEV_DEPENDS library)
set(CPACK_DEBIAN_TOOL_PACKAGE_SUGGESTS "braid-cuda, graphviz")
# dpkg-shlibdeps refuses libraries that belong to no package, as NVIDIA's do.
set(CPACK_DEBIAN_CUDA_PACKAGE_DEPENDS
  "libc6 (>= 2.36), libgcc-s1, libstdc++6 (>= 12), libdnnl2, libgomp1, libhwy1")
set(CPACK_DEBIAN_CUDA_PACKAGE_ENHANCES "braid, libbraid${PROJECT_VERSION_MAJOR}")

# The one entry of cmake/deb/changelog that counts is that of this version.
file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/deb/changelog braid_newest LIMIT_COUNT 1)
if(NOT braid_newest MATCHES "^braid \\(${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}\\) ")
  message(FATAL_ERROR "cmake/deb/changelog begins with '${braid_newest}'")
endif()
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/deb/documents.cmake)
set(CPACK_BRAID_SOURCE_DIR ${PROJECT_SOURCE_DIR})
include(CPack)

add_custom_target(debs
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${CPACK_PACKAGE_DIRECTORY}
  COMMAND ${CMAKE_CPACK_COMMAND} --config ${PROJECT_BINARY_DIR}/CPackConfig.cmake
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${CPACK_PACKAGE_DIRECTORY}/_CPack_Packages
  WORKING_DIRECTORY ${PROJECT_BINARY_DIR} VERBATIM)
list(TRANSFORM braid_rooms PREPEND braid_ OUTPUT_VARIABLE braid_parts)
if(TARGET braid_cuda)
  list(APPEND braid_parts braid_cuda)
endif()
add_dependencies(debs braid_shells braid_capi ${braid_parts})
