// Copies along one dimension. Seen as [outer, along, inner] bytes, the part of one input is a run
// of along * inner bytes in each of the outer rows.
#include <cstring>

#include "concat/ops.h"

namespace braid {
namespace {

// Sizes in memory: a channel-blocked format has ceil(C / block) channels of `block` times the
// elements, side by side at the end.
struct Run {
  int64_t outer = 1, bytes = 0;  ///< rows, and bytes along and inside the dimension
};

Run run_of(const Operand& operand, size_t dim) {
  int64_t block = channel_block(operand.format), inner = int64_t(size_of(operand.dtype)) * block;
  Run run;
  for (size_t i = 0; i < operand.dims.size(); ++i) {
    int64_t size = i == 1 ? (operand.dim(i) + block - 1) / block : operand.dim(i);
    (i < dim ? run.outer : inner) *= size;
  }
  run.bytes = inner;
  return run;
}

// The blocked format that one of the inputs has, when none of its blocks would be cut: every part
// but the last ends at a block's end.
Format concat_format(const Signature& s, size_t dim) {
  for (auto& operand : s.in) {
    int64_t block = channel_block(operand.format);
    if (block <= 1) continue;
    bool whole = true;
    for (size_t i = 0; i + 1 < s.in.size(); ++i) whole &= dim != 1 || s.in[i].dim(1) % block == 0;
    if (whole) return operand.format;
  }
  return {};
}

std::optional<Offer> concat_offer(const Signature& s, const DeviceTraits&) {
  auto dim = size_t(get_int(s.attrs, "dim"));
  Format format = concat_format(s, dim);
  auto whole = s.out[0];
  whole.format = format;
  std::vector<Run> parts;
  for (auto part : s.in) {
    part.format = format;
    parts.push_back(run_of(part, dim));
  }
  auto body = [parts, row = run_of(whole, dim)](const KernelArgs& args) {
    int64_t begin = 0;
    for (size_t i = 0; i < parts.size(); ++i) {
      for (int64_t o = 0; o < row.outer; ++o)
        std::memcpy(args.out<char>(0) + o * row.bytes + begin,
                    args.in<char>(int(i)) + o * parts[i].bytes, size_t(parts[i].bytes));
      begin += parts[i].bytes;
    }
  };
  return Offer{.impl = "braid:concat",
               .in_formats = std::vector<Format>(s.in.size(), format),
               .out_formats = {format},
               .bind = [body] { return KernelBody(body); }};
}

Format slice_format(const Signature& s, size_t dim) {
  int64_t block = channel_block(s.in[0].format);
  if (block <= 1) return {};
  int64_t begin = get_int(s.attrs, "begin"), size = get_int(s.attrs, "size");
  bool whole = begin % block == 0 && (size % block == 0 || begin + size == s.in[0].dim(1));
  return dim != 1 || whole ? s.in[0].format : Format{};
}

std::optional<Offer> slice_offer(const Signature& s, const DeviceTraits&) {
  auto dim = size_t(get_int(s.attrs, "dim"));
  auto from = s.in[0], to = s.out[0];
  from.format = to.format = slice_format(s, dim);
  Run row = run_of(from, dim), part = run_of(to, dim);
  auto skipped = from;  // what stands before the slice
  skipped.dims[dim] = get_int(s.attrs, "begin");
  auto body = [row, part, begin = run_of(skipped, dim).bytes](const KernelArgs& args) {
    for (int64_t o = 0; o < row.outer; ++o)
      std::memcpy(args.out<char>(0) + o * part.bytes, args.in<char>(0) + o * row.bytes + begin,
                  size_t(part.bytes));
  };
  return Offer{.impl = "braid:slice",
               .in_formats = {from.format},
               .out_formats = {to.format},
               .bind = [body] { return KernelBody(body); }};
}

}  // namespace

void register_concat_kernels(Registry& registry) {
  registry.add(Kernel{"concat", "cpu", concat_offer});
  registry.add(Kernel{"slice", "cpu", slice_offer});
}

}  // namespace braid
