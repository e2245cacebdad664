#include "data/augment_spec.h"

#include <array>

#include <fmt/format.h>

namespace braid {

namespace {

// Of crops and paddings, in pixels: sums of a few of them are far from any overflow.
constexpr int64_t largest_side = int64_t{1} << 20;

class Reader {
 public:
  Reader(const std::string& what, std::span<const InputDecl> inputs, SourceSpec& spec,
         Diagnostics& found)
      : what_(what), inputs_(inputs), fills_(spec.fills), augment_(spec.augment), found_(found) {}

  void read(const Attr& value) {
    augment_.mark = value.mark;
    Keys keys(value.as_dict(), value.mark, what_ + ", augment", found_);
    if (const Attr* crop = keys.get("crop")) read_crop(*crop, keys);
    augment_.padding = keys.integer("padding", {.least = 0});
    if (augment_.padding > largest_side || (augment_.padding > 0 && !keys.has("crop"))) {
      keys.wrong(*keys.get("padding"), "padding",
                 fmt::format("at most {}, and beside 'crop'", largest_side));
    }
    if (const Attr* flip = keys.get("flip")) read_flip(*flip, keys);
    if (!keys.has("crop") && !keys.has("flip")) {
      found_.error("E0332", value.mark, what_ + ", augment: neither 'crop' nor 'flip' is given");
    }
    keys.finish();
    check_pictures();
  }

 private:
  void read_crop(const Attr& value, Keys& keys) {
    bool good = value.is<Attr::List>() && value.as_list().size() == 2;
    std::array<int64_t, 2> sides = {};
    for (size_t i = 0; good && i < 2; ++i) {
      const Attr& side = value.as_list()[i];
      good = side.is<int64_t>() && side.as_int() > 0 && side.as_int() <= largest_side;
      if (good) sides[i] = side.as_int();
    }
    if (!good) return keys.wrong(value, "crop", "[height, width]");
    augment_.crop = sides;
  }

  void read_flip(const Attr& value, Keys& keys) {
    std::string flip = value.is<std::string>() ? value.as_text() : "";
    augment_.mirror = flip == "horizontal" || flip == "both";
    augment_.upset = flip == "vertical" || flip == "both";
    if (augment_.mirror || augment_.upset) return;
    keys.wrong(value, "flip", "horizontal, vertical or both");
  }

  /// The same part is cut out of every picture of a sample, so that all have one size.
  void check_pictures() {
    const InputDecl* first = nullptr;
    for (const FillSpec& fill : fills_) {
      const InputDecl& decl = inputs_[fill.input];
      if (fill.law || !is_picture(decl)) continue;
      if (!first) first = &decl;
      check_picture(decl, *first);
    }
    if (first || found_.has_errors()) return;
    found_.error("E0333", augment_.mark,
                 what_ +
                     ": no input that is read is a picture, [N, H, W] or [N, C, H, W], so "
                     "there is nothing to augment");
  }

  void check_picture(const InputDecl& decl, const InputDecl& first) {
    auto height = [](const InputDecl& d) { return d.type.shape[d.type.rank() - 2].value; };
    auto width = [](const InputDecl& d) { return d.type.shape.back().value; };
    const auto& crop = augment_.crop;
    if (crop && ((*crop)[0] != height(decl) || (*crop)[1] != width(decl))) {
      found_.error("E0333", augment_.mark,
                   fmt::format("{}: 'crop' makes [{}, {}], but input '{}' is {}", what_, (*crop)[0],
                               (*crop)[1], decl.name, to_string(decl.type)));
    } else if (height(decl) != height(first) || width(decl) != width(first)) {
      found_.error(
          "E0333", augment_.mark,
          fmt::format("{}: input '{}' is {} and input '{}' is {}, but one flip is for "
                      "all pictures of a sample",
                      what_, decl.name, to_string(decl.type), first.name, to_string(first.type)));
    }
  }

  const std::string& what_;
  std::span<const InputDecl> inputs_;
  const std::vector<FillSpec>& fills_;
  AugmentSpec& augment_;
  Diagnostics& found_;
};

}  // namespace

void read_augment(const Attr& value, Keys& outer, const std::string& what,
                  std::span<const InputDecl> inputs, SourceSpec& spec, Diagnostics& found) {
  if (!value.is<Dict>()) return outer.wrong(value, "augment", "a dictionary with crop or flip");
  Reader(what, inputs, spec, found).read(value);
}

}  // namespace braid
