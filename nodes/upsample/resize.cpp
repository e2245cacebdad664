#include "upsample/resize.h"

#include <cmath>

#include "ops/checks.h"
#include "ops/shape_attr.h"

namespace braid {
namespace {

const char* axis_name(size_t axis, size_t axes) {
  static constexpr const char* names[] = {"depth", "height", "width"};
  return axes == 1 ? "length" : names[axis + 3 - axes];
}

std::string count_of(size_t axes) { return axes == 1 ? "one" : axes == 2 ? "two" : "three"; }

[[noreturn]] void bad_factor(Builder& b, const Attr& given, size_t axes) {
  b.fail("E0253", "scale_factor is " + to_string(given),
         "scale_factor is a number above 0, or a list of " + count_of(axes));
}

// Cells of the result for each cell of the image.
std::vector<double> factors_of(Builder& b, const Attr& given, size_t axes) {
  Attr::List list = given.is<Attr::List>() ? given.as_list() : Attr::List(axes, given);
  if (list.size() != axes) bad_factor(b, given, axes);
  std::vector<double> factors;
  for (auto& factor : list) {
    if (!factor.is_number() || !(factor.as_double() > 0 && factor.as_double() < 1e6))
      bad_factor(b, given, axes);
    factors.push_back(factor.as_double());
  }
  return factors;
}

void set_sizes(Builder& b, const Call& call, std::optional<int> like, Resizing& r) {
  const size_t axes = r.from.size();
  const Attr &size = *find(call.params, "size"), &factor = *find(call.params, "scale_factor");
  const int given = int(!size.is_null()) + int(!factor.is_null()) + int(like.has_value());
  if (given != 1)
    b.fail("E0252",
           given == 0 ? "neither size nor scale_factor is given"
           : like     ? "a size is given beside the input `like`"
                      : "both size and scale_factor are given",
           "give one of them: scale_factor: 2, or size: [height, width]");
  if (like) {
    const Shape other = b.type(*like).shape;
    if (other.size() != axes + 2)
      b.fail("E0201", "`like` is " + to_string(other) + ", and the input is " +
                          to_string(b.type(call.in[0]).shape) + ": both have as many dimensions");
    for (size_t d = 0; d < axes; ++d) r.to.push_back(other[2 + d].value);
    return;
  }
  if (factor.is_null()) {
    r.to = get_ints(call.params, "size");
    if (r.to.size() == 1) r.to.assign(axes, r.to[0]);
    if (r.to.size() != axes)
      b.fail("E0252",
             "size " + to_string(size) + " does not fit the input " +
                 to_string(b.type(call.in[0]).shape),
             "a number, or a list of " + count_of(axes));
    return;
  }
  r.factor = factors_of(b, factor, axes);
  for (size_t d = 0; d < axes; ++d) {
    const double cells = std::floor(double(r.from[d]) * r.factor[d]);
    if (cells < 1)
      b.fail("E0254",
             "scale_factor " + to_string(factor) + " leaves nothing of the " + axis_name(d, axes) +
                 " of " + std::to_string(r.from[d]),
             "use a larger scale_factor");
    r.to.push_back(int64_t(cells));
  }
}

void check_mode(Builder& b, const Call& call, Resizing& r) {
  static constexpr const char* of_axes[] = {"linear", "bilinear", "trilinear"};
  const std::string mode = get_text(call.params, "mode");
  const std::string fits = of_axes[r.from.size() - 1];
  r.mixed = mode != "nearest";
  r.align_corners = get_bool(call.params, "align_corners");
  if (r.mixed && mode != fits)
    b.fail("E0255",
           "mode " + mode + " does not fit the input " + to_string(b.type(call.in[0]).shape),
           "for inputs of " + std::to_string(r.from.size() + 2) + " dimensions it is " + fits);
  if (r.align_corners && !r.mixed)
    b.fail("E0255", "align_corners has no meaning in mode nearest", "use mode: " + fits);
}

/// One operation of images, between other views of the same cells.
struct Pass {
  Shape image, result;
  Dict attrs;
};

Dict attrs_of(const Resizing& r, const std::vector<int64_t>& from, const std::vector<int64_t>& to,
              const std::vector<double>& factor) {
  auto list = [](const std::vector<int64_t>& v) { return Attr::List(v.begin(), v.end()); };
  Dict attrs = {{"mode", r.mixed ? "bilinear" : "nearest"},
                {"align_corners", r.align_corners},
                {"image_size", list(from)},
                {"output_size", list(to)}};
  if (!factor.empty()) set(attrs, "factor", Attr::List(factor.begin(), factor.end()));
  return attrs;
}

std::vector<Pass> passes_of(const Resizing& r, const Shape& x) {
  const size_t axes = r.from.size();
  auto factor = [&](size_t axis) { return r.factor.empty() ? 0 : r.factor[axis]; };
  auto factors = [&](double first, double second) {
    return r.factor.empty() ? std::vector<double>{} : std::vector{first, second};
  };
  if (axes == 1)  // an image of one row
    return {{{x[0], x[1], 1, r.from[0]},
             {x[0], x[1], 1, r.to[0]},
             attrs_of(r, {1, r.from[0]}, {1, r.to[0]}, factors(1, factor(0)))}};
  if (axes == 2)
    return {{{x[0], x[1], r.from[0], r.from[1]},
             {x[0], x[1], r.to[0], r.to[1]},
             attrs_of(r, r.from, r.to, r.factor)}};
  std::vector<Pass> passes;
  const int64_t depth = r.from[0], planes = x[1].value * depth;
  auto unchanged = [&](size_t d) {
    return r.from[d] == r.to[d] && (r.factor.empty() || factor(d) == 1);
  };
  if (!unchanged(1) || !unchanged(2))
    passes.push_back(
        {{x[0], planes, r.from[1], r.from[2]},
         {x[0], planes, r.to[1], r.to[2]},
         attrs_of(r, {r.from[1], r.from[2]}, {r.to[1], r.to[2]}, factors(factor(1), factor(2)))});
  const int64_t area = r.to[1] * r.to[2];
  if (!unchanged(0))
    passes.push_back({{x[0], x[1], depth, area},
                      {x[0], x[1], r.to[0], area},
                      attrs_of(r, {depth, area}, {r.to[0], area}, factors(factor(0), 1))});
  return passes;
}

int view(Builder& b, int value, const Shape& shape) {
  if (b.type(value).shape == shape) return value;
  return b.one("reshape", {value}, {{"shape", to_attr(shape)}});
}

Shape with_sizes(const Shape& x, const std::vector<int64_t>& sizes) {
  Shape shape = {x[0], x[1]};
  for (int64_t size : sizes) shape.push_back(size);
  return shape;
}

}  // namespace

Resizing resizing_of(Builder& b, const Call& call, std::optional<int> like) {
  require_f32(b, call, 0);
  const Shape x = b.type(call.in[0]).shape;
  if (x.size() < 3 || x.size() > 5)
    b.fail("E0201", call.def->name +
                        " takes images [N, channels, height, width], or one or three dimensions "
                        "behind the channels, and its input is " +
                        to_string(x));
  Resizing r;
  for (size_t d = 2; d < x.size(); ++d) r.from.push_back(x[d].value);
  check_mode(b, call, r);
  set_sizes(b, call, like, r);
  return r;
}

int resize(Builder& b, int x, const Resizing& how) {
  const Shape shape = b.type(x).shape;
  for (const Pass& pass : passes_of(how, shape))
    x = b.one("upsample", {view(b, x, pass.image)}, pass.attrs);
  return view(b, x, with_sizes(shape, how.to));
}

int resize_gradient(Builder& b, int g, const Resizing& how, const Shape& x) {
  const auto passes = passes_of(how, x);
  for (size_t k = passes.size(); k-- > 0;)
    g = b.one("upsample_grad", {view(b, g, passes[k].result)}, passes[k].attrs);
  return view(b, g, x);
}

std::vector<ParamDef> resize_params() {
  return {{.name = "size",
           .kind = ParamKind::integers,
           .doc = "spatial sizes of the result, [height, width]; or give scale_factor",
           .optional = true,
           .min = 1},
          {.name = "scale_factor",
           .kind = ParamKind::any,
           .doc = "cells of the result for each cell of the input: a number, or one for each "
                  "dimension",
           .optional = true},
          {.name = "mode",
           .kind = ParamKind::choice,
           .doc = "nearest repeats cells; the others mix neighbours: linear in [N, C, L], bilinear "
                  "in [N, C, H, W], trilinear in [N, C, D, H, W]",
           .fallback = "nearest",
           .choices = {"nearest", "linear", "bilinear", "trilinear"}},
          {.name = "align_corners",
           .kind = ParamKind::boolean,
           .doc = "mixing: the centres of the corner cells stay in the corners; else their edges",
           .fallback = false}};
}

}  // namespace braid
