# braid_library(NAME SOURCES ... PUBLIC ... PRIVATE ...): one room of the house.
#
# A room's target carries only its own include folder and those of the rooms it links publicly, so
# an include in the wrong direction is "file not found". Third-party libraries are linked privately.
option(BRAID_WERROR "Warnings are errors: off for compilers that know others than ours" ON)
add_library(braid_flags INTERFACE)
target_compile_features(braid_flags INTERFACE cxx_std_20)
# The optimizer may not contract a*b+c behind our back: bits would depend on the compiler's mood.
target_compile_options(braid_flags INTERFACE -Wall -Wextra -Wno-missing-field-initializers
  $<$<BOOL:${BRAID_WERROR}>:-Werror> -ffp-contract=off -fvisibility=hidden -fvisibility-inlines-hidden)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Cold parts of functions in sections of their own: where they come out empty, lld gives them unwind
  # entries that hide those of the function behind, and an exception thrown there ends the program.
  target_compile_options(braid_flags INTERFACE -fno-reorder-blocks-and-partition)
  # g++ 12 warns wrongly about inlined std::string code (GCC bugs 105651 and 105562).
  target_compile_options(braid_flags INTERFACE -Wno-restrict -Wno-maybe-uninitialized
    -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds)
endif()

find_program(BRAID_CCACHE ccache)
if(BRAID_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # What it asks for where headers are precompiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
    ${BRAID_CCACHE})
  add_compile_options($<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>)
endif()
find_program(BRAID_LLD ld.lld)
if(BRAID_LLD)
  add_link_options(-fuse-ld=lld)
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

# braid_precompile(TARGET HEADERS...): these and the headers of the standard library that nearly every
# source includes. Sources still include what they need; clang-tidy looks at them without.
function(braid_precompile target)
  target_precompile_headers(${target} PRIVATE <algorithm> <array> <cmath> <cstdint> <functional>
    <map> <memory> <optional> <set> <span> <string> <string_view> <utility> <variant> <vector> ${ARGN})
endfunction()

function(braid_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(braid_${name} STATIC ${ARG_SOURCES})
  add_library(braid::${name} ALIAS braid_${name})
  set_target_properties(braid_${name} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(braid_${name}
    PUBLIC $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
  target_link_libraries(braid_${name} PUBLIC ${ARG_PUBLIC}
    PRIVATE $<BUILD_INTERFACE:braid_flags> ${ARG_PRIVATE})
  target_compile_features(braid_${name} PUBLIC cxx_std_20)
  if(NOT name STREQUAL "core")
    braid_precompile(braid_${name} <braid/core/registry.h>)
  endif()
endfunction()
