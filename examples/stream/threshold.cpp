// A plug-in that brings a callable of pipelines: ink where a picture is dark enough, else paper.
#include <braid/plugin.h>
#include <braid/runtime/stages.h>

namespace {

braid::Record threshold(braid::Record item, uint8_t at) {
  for (uint8_t& value : item.at("image").as<uint8_t>()) value = value < at ? 0 : 255;
  return item;
}

}  // namespace

BRAID_PLUGIN(registry) {}

BRAID_PLUGIN_STAGES(stages) {
  braid::ParamDef at{.name = "at", .doc = "what is below is ink", .fallback = 128};
  at.min = 0, at.max = 255;
  stages.map("threshold", braid::with_params({at}, [](const braid::Dict& params) {
               return [at = uint8_t(braid::get_int(params, "at"))](braid::Record item) {
                 return threshold(std::move(item), at);
               };
             }));
}
