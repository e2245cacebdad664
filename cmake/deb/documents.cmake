# CPack runs this when the files of all components lie in their folders: copyright and changelogs of each
# package.
set(docs ${CPACK_BRAID_SOURCE_DIR})
set(here ${CMAKE_CURRENT_LIST_DIR})

function(gzip from to)
  execute_process(COMMAND gzip -9nc ${from} OUTPUT_FILE ${to} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# The licence as a field of the copyright file: lines that begin with a blank, a dot for empty ones.
file(STRINGS ${docs}/third_party/dagre/LICENSE dagre LIMIT_COUNT 1)
string(REGEX REPLACE "^Copyright \\(c\\) " "" dagre "${dagre}")
file(READ ${docs}/LICENSE text)
string(REGEX REPLACE "^.*(Permission is)" "\\1" text "${text}")
string(STRIP "${text}" text)
string(REPLACE "\n\n" "\n.\n" text "${text}")
string(REPLACE "\n" "\n " text " ${text}")

foreach(component ${CPACK_COMPONENTS_ALL})
  string(TOUPPER ${component} upper)
  set(folder ${CPACK_TEMPORARY_DIRECTORY}/${component}/usr/share/doc/${CPACK_DEBIAN_${upper}_PACKAGE_NAME})
  file(MAKE_DIRECTORY ${folder})
  configure_file(${here}/copyright ${folder}/copyright @ONLY)
  gzip(${docs}/CHANGELOG.md ${folder}/changelog.gz)
  gzip(${here}/changelog ${folder}/changelog.Debian.gz)
endforeach()
