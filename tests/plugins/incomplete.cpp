// A plug-in whose layer computes nothing.
#include <braid/plugin.h>

BRAID_PLUGIN(registry) { registry.add(braid::LayerDef{.name = "Hollow", .doc = "Nothing."}); }
