#include "cross_entropy/shares.h"

namespace braid {

Shares::Shares(const Dict& attrs, int64_t classes)
    : smoothing_(get_double(attrs, "label_smoothing")),
      spread_(smoothing_ / double(classes)),
      weights_(get_doubles(attrs, "weight")) {
  for (int64_t c = 0; c < classes; ++c) {
    each_.push_back(rule().each(c));
    all_each_ += each_.back();
  }
}

}  // namespace braid
