// What schedules and data sources take, as layers say it in a LayerDef: for the schema of network
// files and whoever else lists them. The readers of the values are runtime/src/data; a test
// compares the two.
//
//   for (const Form& form : schedule_forms()) list(form.name, form.params);
#pragma once
#include <string>
#include <vector>

#include <braid/core/layer.h>

namespace braid {

struct Form {
  std::string name;
  std::string doc;
  std::vector<ParamDef> params;
};

/// One for each of schedule_types().
std::vector<Form> schedule_forms();

/// One for each of data_source_types(): the keys of the source itself. Every other key is the name
/// of an input, and says how that is filled.
std::vector<Form> data_source_forms();
/// How a source of this type fills an input, and how any source draws one: two ways, each with keys
/// of its own.
Form fill_form(const std::string& source);
Form random_fill_form();
/// `augment` of a source, and what stands inside it: `random_resized_crop` (which may be true, too)
/// and `jitter`.
Form augment_form();
Form resized_crop_form();
Form jitter_form();

}  // namespace braid
