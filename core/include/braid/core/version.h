/* The version of these headers, for the preprocessor of C and C++. A new minor version only
 * adds to the interface of C, and programs that are linked with libbraid.so.MAJOR go on running;
 * that of C++ stays the same for sources. */
#pragma once

#define BRAID_VERSION_MAJOR 1
#define BRAID_VERSION_MINOR 0
#define BRAID_VERSION_PATCH 0
/* 1.2.3 is 1002003. */
#define BRAID_VERSION \
  (BRAID_VERSION_MAJOR * 1000000 + BRAID_VERSION_MINOR * 1000 + BRAID_VERSION_PATCH)
