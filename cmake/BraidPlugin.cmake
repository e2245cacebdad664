# braid_add_plugin(NAME SOURCES...): libNAME.so, a plug-in that a network file names.
#
# It carries what it uses of Braid's libraries, and shows nothing of them but its entry points.
function(braid_add_plugin name)
  add_library(${name} MODULE ${ARGN})
  target_link_libraries(${name} PRIVATE braid::runtime)
  target_compile_features(${name} PRIVATE cxx_std_20)
  # Bits must not depend on whether the compiler contracts a*b+c.
  target_compile_options(${name} PRIVATE -ffp-contract=off)
  target_link_options(${name} PRIVATE LINKER:--as-needed LINKER:--exclude-libs,ALL)
  set_target_properties(${name} PROPERTIES CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON)
endfunction()
