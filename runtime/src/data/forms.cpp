#include <braid/runtime/forms.h>

#include <utility>

namespace braid {

namespace {

ParamDef integer(std::string name, std::string doc, double min, Attr fallback = {}) {
  return {
      .name = std::move(name), .doc = std::move(doc), .fallback = std::move(fallback), .min = min};
}

ParamDef number(std::string name, std::string doc, Attr fallback) {
  return {.name = std::move(name),
          .kind = ParamKind::number,
          .doc = std::move(doc),
          .fallback = std::move(fallback),
          .min = 0};
}

ParamDef flag(std::string name, std::string doc) {
  return {.name = std::move(name),
          .kind = ParamKind::boolean,
          .doc = std::move(doc),
          .fallback = false};
}

ParamDef text(std::string name, std::string doc, bool optional = false) {
  return {.name = std::move(name),
          .kind = ParamKind::text,
          .doc = std::move(doc),
          .optional = optional};
}

ParamDef any(std::string name, std::string doc, Attr fallback = {}) {
  return {.name = std::move(name),
          .kind = ParamKind::any,
          .doc = std::move(doc),
          .fallback = std::move(fallback),
          .optional = true};
}

ParamDef choice(std::string name, std::string doc, std::vector<std::string> choices,
                bool optional) {
  return {.name = std::move(name),
          .kind = ParamKind::choice,
          .doc = std::move(doc),
          .optional = optional,
          .choices = std::move(choices)};
}

Form schedule(std::string name, std::string doc, std::vector<ParamDef> params) {
  params.push_back(integer("warmup_steps", "steps over which the rate rises to its base", 0, 0));
  return {std::move(name), std::move(doc), std::move(params)};
}

Form source(std::string name, std::string doc, std::vector<ParamDef> params = {}) {
  params.push_back(flag("shuffle", "a new order in each epoch, by the seed"));
  return {std::move(name), std::move(doc), std::move(params)};
}

std::vector<ParamDef> affine() {
  return {any("scale", "x is multiplied by this; for images also a list, one for each channel", 1),
          any("mean", "then this is taken away; for images also a list", 0),
          any("std", "then it is divided by this; for images also a list", 1)};
}

ParamDef resize() {
  return any(
      "resize",
      "what pictures are scaled to when they are read: the shorter side, or [height, width]");
}

ParamDef pad() { return any("pad", "what lies around a picture when a crop reaches over it", 0); }

}  // namespace

std::vector<Form> schedule_forms() {
  const ParamDef gamma = number("gamma", "what the rate is multiplied by", 0.1);
  const ParamDef least = number("min_lr", "the rate at the end of the run", 0);
  ParamDef power = number("power", "of what is left of the run", 1);
  power.min_exclusive = true;
  const ParamDef milestones = {
      .name = "milestones", .kind = ParamKind::integers, .doc = "rising steps", .min = 1};
  auto fraction = [&](std::string name, std::string doc, double fallback) {
    ParamDef def = number(std::move(name), std::move(doc), fallback);
    def.min_exclusive = def.max_exclusive = true;
    def.max = 1;
    return def;
  };
  auto divisor = [&](std::string name, std::string doc, double fallback) {
    ParamDef def = number(std::move(name), std::move(doc), fallback);
    def.min_exclusive = true;
    return def;
  };
  auto one_of = [](std::string name, std::string doc, std::vector<std::string> words) {
    ParamDef def = choice(std::move(name), std::move(doc), std::move(words), true);
    def.fallback = def.choices[0];
    return def;
  };
  return {
      schedule("constant", "The learning rate stays what it is.", {}),
      schedule("step", "Times gamma after every step_size steps.",
               {integer("step_size", "steps between two falls", 1), gamma}),
      schedule("multistep", "Times gamma at each of the milestones.", {milestones, gamma}),
      schedule("cosine", "Half a cosine, from the base to min_lr at the end of the run.", {least}),
      schedule("poly", "(1 - progress) ** power, from the base to min_lr at the end of the run.",
               {power, least}),
      {"one_cycle",
       "From base / div_factor up to the base, the largest rate, and down to the end of the run.",
       {fraction("pct_start", "the part of the run over which it rises", 0.3),
        one_of("anneal_strategy", "how it goes: as half a cosine, or along a line",
               {"cos", "linear"}),
        divisor("div_factor", "the base divided by this is the first rate", 25),
        divisor("final_div_factor", "the first rate divided by this is the last one", 1e4),
        flag("three_phase", "first back to where it began, then on to the end")}},
      schedule("plateau",
               "Times factor after patience + 1 evaluations without a gain of the test loss.",
               {fraction("factor", "what the rate is multiplied by", 0.1),
                integer("patience", "evaluations without a gain that are borne", 0, 10),
                number("threshold", "what counts as a gain", 1e-4),
                one_of("threshold_mode", "threshold is a share of the best loss, or a difference",
                       {"rel", "abs"}),
                integer("cooldown", "evaluations after a fall that are not counted", 0, 0),
                number("min_lr", "the rate does not fall below this", 0),
                number("eps", "a fall of no more than this is none", 1e-8)})};
}

std::vector<Form> data_source_forms() {
  return {
      source("Idx", "MNIST's format, plain or gz."),
      source("Csv", "Columns of a table.",
             {text("path", "the table, relative to the network file"),
              flag("header", "the first line holds titles"),
              {.name = "delimiter",
               .kind = ParamKind::text,
               .doc = "one character, or tab",
               .fallback = ","}}),
      source("Npy", "NumPy's arrays."),
      source("Images", "PNG files in folders, paired by file name.", {resize()}),
      source("ImageMask", "Images and the masks of their pixels: another name of Images.",
             {resize()}),
      source("ImageFolder", "PNG files in a folder for each class.",
             {text("folder", "where the folders of the classes are"),
              any("classes", "names of folders, from class 0 on; none = all, sorted"), resize()})};
}

Form fill_form(const std::string& source) {
  std::vector<ParamDef> params = affine();
  if (source == "Csv") {
    params.push_back(any("column", "one column: its number, or its title"));
    params.push_back(any("columns", "a range such as 0..63 (both ends included), or a list"));
  } else if (source == "Images" || source == "ImageMask") {
    params.push_back(text("folder", "where the images are", true));
    params.push_back(
        text("path", "a pattern of names such as masks/*.png, in place of folder", true));
    params.push_back(text("list", "a text file with a path a line, in place of folder", true));
  } else if (source != "ImageFolder") {
    params.push_back(text("path", "the file, relative to the network file"));
  }
  if (source != "Csv") params.push_back(pad());
  return {source, "How this input is filled: value = (x * scale - mean) / std.", std::move(params)};
}

Form random_fill_form() {
  std::vector<ParamDef> params = affine();
  params.push_back(
      choice("random", "drawn by sample, not read from a file", {"normal", "uniform"}, false));
  return {"random", "An input that is drawn.", std::move(params)};
}

Form augment_form() {
  return {
      "augment",
      "Changes all pictures of a sample alike, by (seed, epoch, sample).",
      {{.name = "crop",
        .kind = ParamKind::integers,
        .doc = "[height, width] of what is cut out",
        .optional = true,
        .min = 1,
        .length = 2},
       integer("padding", "how far a crop reaches over the edge", 0, 0),
       choice("flip", "left and right, top and bottom", {"horizontal", "vertical", "both"}, true),
       number("flip_p", "how likely a flip is", 0.5),
       any("random_resized_crop",
           "true, or {scale: [0.08, 1], ratio: [0.75, 1.33]}: a part of that share of the "
           "area and that width / height, scaled to the input's size"),
       any("rotate", "degrees: a number for both ways, or [low, high]"),
       any("jitter",
           "{brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1}: each a number for "
           "both ways, or [low, high]")}};
}

Form resized_crop_form() {
  return {"random_resized_crop",
          "A part of the picture, scaled to the input's size; true: with the defaults.",
          {any("scale", "[low, high] of its share of the area; default [0.08, 1]"),
           any("ratio", "[low, high] of its width / height; default [0.75, 1.33]")}};
}

Form jitter_form() {
  const std::string both = ": a number for both ways, or [low, high]";
  return {"jitter",
          "Colors, in an order that is drawn.",
          {any("brightness", "what it is multiplied by, around 1" + both),
           any("contrast", "what it is multiplied by, around 1" + both),
           any("saturation", "what it is multiplied by, around 1" + both),
           any("hue", "what is added to it, in turns, at most 0.5" + both)}};
}

}  // namespace braid
