// What the two sides of a plug-in must agree on before a C++ object crosses: compiler, library,
// version, and the size of what is handed over.
#pragma once
#include <braid/runtime/backend.h>

#define BRAID_PLUGIN_TEXT2(x) #x
#define BRAID_PLUGIN_TEXT(x) BRAID_PLUGIN_TEXT2(x)
#define BRAID_PLUGIN_ABI                     \
  "braid 0.1.0, g++ abi " BRAID_PLUGIN_TEXT( \
      __GXX_ABI_VERSION) ", libstdc++ abi " BRAID_PLUGIN_TEXT(_GLIBCXX_USE_CXX11_ABI)
