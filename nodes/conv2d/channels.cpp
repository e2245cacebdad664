#include "conv2d/channels.h"

#include <algorithm>

#include <braid/core/layer.h>

#include "ops/checks.h"

namespace braid {
namespace {

std::string common_divisors(int64_t a, int64_t b) {
  std::string list;
  for (int64_t d = 1; d <= std::min(a, b); ++d)
    if (a % d == 0 && b % d == 0) list += (d > 1 ? ", " : "") + std::to_string(d);
  return list;
}

}  // namespace

int64_t checked_channels(Builder& b, const Call& call) {
  require_f32(b, call, 0);
  const Shape x = b.type(call.in[0]).shape;
  if (x.size() != 4)
    b.fail("E0201", call.def->name +
                        " takes images [N, channels, height, width], and its input is " +
                        to_string(x));
  return checked_channels(b, call, x);
}

int64_t checked_channels(const Builder& b, const Call& call, const Shape& x) {
  int64_t channels = x[1].value;
  const Attr* wanted = find(call.params, "in_channels");
  if (wanted && !wanted->is_null() && wanted->as_int() != channels)
    b.fail("E0202",
           "in_channels is " + to_string(*wanted) + ", and the input " + to_string(x) + " has " +
               std::to_string(channels),
           "leave in_channels out: it follows from the input");
  int64_t groups = get_int(call.params, "groups"), out = get_int(call.params, "out_channels");
  if (channels % groups || out % groups)
    b.fail("E0204",
           "groups is " + std::to_string(groups) + ", which does not divide " +
               (channels % groups ? std::to_string(channels) + " input channels"
                                  : std::to_string(out) + " output channels"),
           "groups divides input and output channels: " + common_divisors(channels, out));
  return channels;
}

}  // namespace braid
