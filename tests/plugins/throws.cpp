// A plug-in that fails while it registers.
#include <braid/plugin.h>

#include <stdexcept>

BRAID_PLUGIN(registry) { throw std::runtime_error("no licence for this machine"); }
