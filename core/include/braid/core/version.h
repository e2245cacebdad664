/* The version of these headers, for the preprocessor of C and C++. Before 1.0 a new minor version
 * may change the interface; a patch never does. */
#pragma once

#define BRAID_VERSION_MAJOR 1
#define BRAID_VERSION_MINOR 0
#define BRAID_VERSION_PATCH 0
/* 1.2.3 is 1002003. */
#define BRAID_VERSION \
  (BRAID_VERSION_MAJOR * 1000000 + BRAID_VERSION_MINOR * 1000 + BRAID_VERSION_PATCH)
