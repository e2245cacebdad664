#include "ops/labels.h"

#include "ops/checks.h"

namespace braid {

void require_classes_and_target(const Builder& b, const Call& call) {
  require_f32(b, call, 0);
  require_i64(b, call, 1);
  const Type &input = b.type(call.in[0]), &target = b.type(call.in[1]);
  if (input.rank() < 2)
    b.fail("E0234", "input is " + to_string(input) + ", needs [N, classes] or more dims");
  Type expected{DType::i64, input.shape};
  expected.shape.erase(expected.shape.begin() + 1);
  if (target == expected) return;
  b.fail("E0234",
         "target is " + to_string(target) + ", input is " + to_string(input) +
             ": expected a target of " + to_string(expected),
         "the target holds class indices: the input's shape without dim 1");
}

std::vector<int64_t> class_offsets(const View& v) {
  std::vector<int64_t> offsets;
  for (int64_t c = 0; c < v.channels; ++c) offsets.push_back(v.at(0, c, 0));
  return offsets;
}

void label_outside(int64_t label, int64_t classes, int64_t sample) {
  throw Error(Fault::data, "E0420",
              "label " + std::to_string(label) + " outside the classes 0.." +
                  std::to_string(classes - 1) + " (sample " + std::to_string(sample) +
                  " of the batch)");
}

}  // namespace braid
