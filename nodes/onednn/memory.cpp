#include "onednn/memory.h"

#include <dnnl_debug.h>

#include <braid/core/error.h>

namespace braid::onednn {
namespace {

std::optional<Description> tagged(const Description& md, int tag) {
  dnnl_memory_desc_t made;
  auto status = dnnl_memory_desc_init_by_tag(&made, md.data.ndims, md.data.dims, md.data.data_type,
                                             dnnl_format_tag_t(tag));
  if (status != dnnl_success) return {};
  return Description(made);
}

int tag_named(std::string_view name) {
  for (int tag = dnnl_format_tag_any + 1; tag < dnnl_format_tag_last; ++tag)
    if (name == dnnl_fmt_tag2str(dnnl_format_tag_t(tag))) return tag;
  bug("oneDNN has no memory format '" + std::string(name) + "'");
}

// The row-major tag of a rank: "a", "ab", "abc", ...
dnnl::memory::format_tag plain_tag(size_t rank) {
  using Tag = dnnl::memory::format_tag;
  static constexpr Tag tags[] = {Tag::a, Tag::ab, Tag::abc, Tag::abcd, Tag::abcde, Tag::abcdef};
  ensure(rank >= 1 && rank <= 6, "oneDNN takes tensors of rank 1 to 6");
  return tags[rank - 1];
}

}  // namespace

dnnl::memory::data_type data_type(DType dtype) {
  using Data = dnnl::memory::data_type;
  switch (dtype) {
    case DType::f32:
      return Data::f32;
    case DType::i32:
      return Data::s32;
    case DType::u8:
      return Data::u8;
    default:
      bug("oneDNN has no " + std::string(to_string(dtype)));
  }
}

Description plain(const Dims& dims, DType dtype) {
  return Description(dims, data_type(dtype), plain_tag(dims.size()));
}

Description any(const Dims& dims, DType dtype) {
  return Description(dims, data_type(dtype), dnnl::memory::format_tag::any);
}

Description description(const Operand& operand) {
  auto md = plain(operand.dims, operand.dtype);
  if (operand.format.empty()) return md;
  auto made = tagged(md, tag_named(operand.format));
  if (!made) bug("format '" + operand.format + "' does not fit its tensor");
  return *made;
}

std::optional<Format> format_of(const Description& md) {
  if (md == Description(md.dims(), md.data_type(), plain_tag(md.dims().size()))) return Format{};
  for (int tag = dnnl_format_tag_any + 1; tag < dnnl_format_tag_last; ++tag)
    if (auto made = tagged(md, tag); made && *made == md)
      return Format(dnnl_fmt_tag2str(dnnl_format_tag_t(tag)));
  return {};
}

}  // namespace braid::onednn
