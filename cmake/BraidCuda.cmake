# Finds CUDA, cuDNN and NCCL, and enables the language. Sets BRAID_HAS_CUDA.
# CMake 3.25.1 (Debian 12) knows no C++20 for nvcc, and `native` fails where there is no GPU.
set(BRAID_HAS_CUDA OFF)
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(BRAID_NVCC nvcc HINTS ENV CUDA_PATH ENV CUDA_HOME PATHS /usr/local/cuda
    PATH_SUFFIXES bin)
  if(BRAID_NVCC)
    set(ENV{CUDACXX} ${BRAID_NVCC})  # check_language tries it
  endif()
endif()
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 75-virtual 80-real 90-real CACHE STRING "GPU architectures")
endif()

macro(braid_no_cuda why)
  if(BRAID_CUDA STREQUAL "ON")
    message(FATAL_ERROR "BRAID_CUDA=ON, but ${why}")
  endif()
  message(STATUS "Building without the CUDA backend: ${why}")
  return()
endmacro()

include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  braid_no_cuda("there is no nvcc that works")
endif()
enable_language(CUDA)
foreach(kind STANDARD EXTENSION)
  if(NOT CMAKE_CUDA20_${kind}_COMPILE_OPTION)
    set(CMAKE_CUDA20_${kind}_COMPILE_OPTION -std=c++20)
  endif()
endforeach()
if(BRAID_CCACHE AND NOT CMAKE_CUDA_COMPILER_LAUNCHER)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${BRAID_CCACHE})
endif()
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)  # tests and benchmarks link them, too
find_package(CUDAToolkit)
if(NOT CUDAToolkit_FOUND)
  braid_no_cuda("there is no CUDA toolkit beside nvcc")
endif()
find_package(CUDNN)
if(NOT CUDNN_FOUND)
  braid_no_cuda("cuDNN was not found (CUDNN_ROOT names its folder)")
endif()
find_package(NCCL)
if(NOT NCCL_FOUND)
  braid_no_cuda("NCCL was not found (NCCL_ROOT names its folder)")
endif()

add_library(braid_cuda_flags INTERFACE)
target_compile_features(braid_cuda_flags INTERFACE cxx_std_20)
target_compile_options(braid_cuda_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr --fmad=false
    -Xcompiler=-Wall,-Wextra,-Wno-missing-field-initializers,-fvisibility=hidden,-fno-reorder-blocks-and-partition>
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wno-missing-field-initializers -ffp-contract=off
    -fvisibility=hidden -fno-reorder-blocks-and-partition>)
if(BRAID_WERROR)
  target_compile_options(braid_cuda_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CUDA>:--Werror=all-warnings -Xcompiler=-Werror>
    $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
set(BRAID_HAS_CUDA ON)
