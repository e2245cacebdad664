#include "data/augment_spec.h"

#include <algorithm>
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
      : what_(what), inputs_(inputs), spec_(spec), augment_(spec.augment), found_(found) {}

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
    augment_.flip_p = keys.number("flip_p", {.otherwise = 0.5, .least = 0});
    if (augment_.flip_p > 1 || (keys.has("flip_p") && !keys.has("flip"))) {
      keys.wrong(*keys.get("flip_p"), "flip_p", "from 0 to 1, and beside 'flip'");
    }
    if (const Attr* part = keys.get("random_resized_crop")) read_resized_crop(*part, keys);
    if (const Attr* turn = keys.get("rotate")) {
      augment_.rotate =
          read_range(*turn, "rotate", {.middle = 0, .least = -360, .most = 360}, keys);
    }
    if (const Attr* color = keys.get("jitter")) read_jitter(*color, keys);
    if (!augment_.any() && !found_.has_errors()) {
      found_.error("E0332", value.mark,
                   what_ +
                       ", augment: nothing is given that changes a picture: crop, flip, "
                       "random_resized_crop, rotate or jitter");
    }
    keys.finish();
    check_kind();
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

  struct RangeRule {
    double middle = 0;  ///< of the range that a single number stands for
    double least = 0, most = 0;
    bool one = true;        ///< whether a single number may stand for a range
    bool positive = false;  ///< whether `least` itself is too small
  };

  /// `[low, high]`, or a number for what is that far from the middle.
  Range read_range(const Attr& value, const std::string& key, const RangeRule& rule, Keys& keys) {
    Range range = {rule.middle, rule.middle};
    bool good = false;
    if (value.is<Attr::List>() && value.as_list().size() == 2) {
      const Attr &low = value.as_list()[0], &high = value.as_list()[1];
      good = low.is_number() && high.is_number();
      if (good) range = {low.as_double(), high.as_double()};
    } else if (rule.one && value.is_number() && value.as_double() >= 0) {
      good = true;
      range = {std::max(rule.middle - value.as_double(), rule.least),
               rule.middle + value.as_double()};
    }
    // Written so that no NaN passes.
    good = good && range[0] >= rule.least && range[0] <= range[1] && range[1] <= rule.most &&
           !(rule.positive && range[0] == rule.least);
    if (good) return range;
    keys.wrong(value, key,
               fmt::format("{}[low, high] {} {} and at most {}", rule.one ? "a number, or " : "",
                           rule.positive ? "above" : "of at least", rule.least, rule.most));
    return {rule.middle, rule.middle};
  }

  void read_resized_crop(const Attr& value, Keys& outer) {
    if (value.is<bool>() && !value.as_bool()) return;
    augment_.resized_crop.emplace();
    if (outer.has("crop")) {
      outer.wrong(value, "random_resized_crop", "left out beside 'crop'");
    }
    if (value.is<bool>()) return;
    if (!value.is<Dict>()) {
      return outer.wrong(value, "random_resized_crop", "true, or a dictionary of scale and ratio");
    }
    Keys keys(value.as_dict(), value.mark, what_ + ", random_resized_crop", found_);
    ResizedCropSpec& part = *augment_.resized_crop;
    const RangeRule share = {.least = 0, .most = 1, .one = false, .positive = true};
    const RangeRule sides = {.least = 0, .most = 1000, .one = false, .positive = true};
    if (const Attr* scale = keys.get("scale"))
      part.scale = read_range(*scale, "scale", share, keys);
    if (const Attr* ratio = keys.get("ratio"))
      part.ratio = read_range(*ratio, "ratio", sides, keys);
    keys.finish();
  }

  void read_jitter(const Attr& value, Keys& outer) {
    if (!value.is<Dict>()) {
      return outer.wrong(value, "jitter",
                         "a dictionary of brightness, contrast, saturation and hue");
    }
    Keys keys(value.as_dict(), value.mark, what_ + ", jitter", found_);
    JitterSpec jitter;
    const RangeRule factor = {.middle = 1, .least = 0, .most = 100};
    auto read = [&](const char* key, const RangeRule& rule, Range& range) {
      if (const Attr* given = keys.get(key)) range = read_range(*given, key, rule, keys);
      return keys.has(key);
    };
    bool any = read("brightness", factor, jitter.brightness);
    any = read("contrast", factor, jitter.contrast) || any;
    colors_ = read("saturation", factor, jitter.saturation);
    colors_ = read("hue", {.middle = 0, .least = -0.5, .most = 0.5}, jitter.hue) || colors_;
    if (any || colors_) augment_.jitter = jitter;
    keys.finish();
  }

  void check_kind() {
    const bool bytes = spec_.kind != SourceKind::csv && spec_.kind != SourceKind::npy;
    if (bytes || !augment_.needs_bytes()) return;
    found_.error("E0333", augment_.mark,
                 what_ +
                     ": random_resized_crop, rotate and jitter are for pictures of bytes: "
                     "Images, ImageFolder and Idx");
  }

  /// The same part is cut out of every picture of a sample, so that all have one size.
  void check_pictures() {
    const InputDecl* first = nullptr;
    for (const FillSpec& fill : spec_.fills) {
      const InputDecl& decl = inputs_[fill.input];
      if (fill.law || !is_picture(decl)) continue;
      if (!first) first = &decl;
      check_picture(decl, *first);
      check_colors(decl);
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

  void check_colors(const InputDecl& decl) {
    int64_t planes = decl.type.rank() == 4 ? decl.type.shape[1].value : 1;
    if (!augment_.jitter || holds_classes(decl.type.dtype)) return;
    if (planes == 3 || (planes == 1 && !colors_)) return;
    found_.error(
        "E0333", augment_.mark,
        fmt::format("{}, jitter: input '{}' is {}, and {}", what_, decl.name, to_string(decl.type),
                    colors_ ? "saturation and hue are of 3 channels"
                            : "brightness and contrast are of 1 channel or 3"));
  }

  const std::string& what_;
  std::span<const InputDecl> inputs_;
  SourceSpec& spec_;
  AugmentSpec& augment_;
  Diagnostics& found_;
  bool colors_ = false;  ///< whether saturation or hue is given
};

}  // namespace

void read_augment(const Attr& value, Keys& outer, const std::string& what,
                  std::span<const InputDecl> inputs, SourceSpec& spec, Diagnostics& found) {
  if (!value.is<Dict>()) return outer.wrong(value, "augment", "a dictionary with crop or flip");
  Reader(what, inputs, spec, found).read(value);
}

}  // namespace braid
