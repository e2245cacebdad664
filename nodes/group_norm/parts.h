// What the files of this folder share.
#pragma once
#include <braid/core/registry.h>

namespace braid::group_norm {

void register_kernels(Registry&);     // kernels.cpp
void register_references(Registry&);  // group_norm_ref.cpp

/// How channels make groups: what both kinds of kernels are asked for.
struct Groups {
  int64_t groups = 1;   ///< of a sample
  int64_t members = 1;  ///< channels of a group
  double eps = 1e-5;

  Groups(const Dict& attrs, int64_t channels)
      : groups(get_int(attrs, "num_groups")),
        members(channels / groups),
        eps(get_double(attrs, "eps")) {}
  int64_t of(int64_t channel) const { return channel / members; }
};

}  // namespace braid::group_norm
