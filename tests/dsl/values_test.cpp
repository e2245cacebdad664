// Scalars and expressions: what a typed value becomes.
#include "reading.h"

namespace braid {
namespace {

/// The value of one typed parameter.
Attr value_of(const std::string& typed) {
  Model model = read_layers(
      "params: {a: 7, f: 0.5, on: true, s: word, l: [1, 2, 3]}\nlayers:\n  - type: T\n    v: " +
      typed + "\n");
  const Attr* value = model.layers.empty() ? nullptr : find(model.layers[0].params, "v");
  return value ? *value : Attr("nothing");
}

TEST(Scalars, HaveOneMeaningEach) {
  EXPECT_EQ(value_of("3"), Attr(3));
  EXPECT_EQ(value_of("-3"), Attr(-3));
  EXPECT_EQ(value_of("+3"), Attr(3));
  EXPECT_EQ(value_of("0"), Attr(0));
  EXPECT_EQ(value_of("9223372036854775807"), Attr(INT64_MAX));
  EXPECT_EQ(value_of("-9223372036854775808"), Attr(INT64_MIN));
  EXPECT_EQ(value_of("3.0"), Attr(3.0));
  EXPECT_EQ(value_of("1e-3"), Attr(0.001));
  EXPECT_EQ(value_of("5.E+2"), Attr(500.0));
  EXPECT_EQ(value_of(".5"), Attr(0.5));
  EXPECT_EQ(value_of("-0.0"), Attr(-0.0));
  EXPECT_EQ(value_of("true"), Attr(true));
  EXPECT_EQ(value_of("false"), Attr(false));
  EXPECT_EQ(value_of("null"), Attr());
  EXPECT_EQ(value_of("~"), Attr());
  for (const char* text : {"yes", "no", "on", "off", "y", "n", "True", "NO", "1e", "0..63", "1.2.3",
                           "nan", "inf", "0x", "_1", "1-2", "e5", ".", "16*N"})
    EXPECT_EQ(value_of(text), Attr(text)) << text;
  EXPECT_EQ(value_of("'7'"), Attr("7"));
  EXPECT_EQ(value_of("\"true\""), Attr("true"));
  EXPECT_EQ(value_of("[1, {b: x}, [true]]"),
            Attr(Attr::List{1, Dict{{"b", "x"}}, Attr::List{true}}));
}

TEST(Expressions, KeepTheirTypeWhenTheyAreAllOfAScalar) {
  EXPECT_EQ(value_of("$a"), Attr(7));
  EXPECT_EQ(value_of("\"$a\""), Attr(7));
  EXPECT_EQ(value_of("$f"), Attr(0.5));
  EXPECT_EQ(value_of("$l"), Attr(Attr::List{1, 2, 3}));
  EXPECT_EQ(value_of("b1_$a"), Attr("b1_7"));
  EXPECT_EQ(value_of("$s/x-$(a + 1).csv"), Attr("word/x-8.csv"));
  EXPECT_EQ(value_of("$a$a"), Attr("77"));
  EXPECT_EQ(value_of("x / $f"), Attr("x / 0.5"));
  EXPECT_EQ(value_of("a$$b"), Attr("a$b"));
  EXPECT_EQ(value_of("$$"), Attr("$"));
  EXPECT_EQ(value_of("[$a, '$(a - 1)']"), Attr(Attr::List{7, 6}));
}

TEST(Expressions, Compute) {
  struct Case {
    const char* typed;
    Attr value;
  };
  const Case cases[] = {
      {"$(1 + 2 * 3)", 7},
      {"$((1 + 2) * 3)", 9},
      {"$(7 / 2)", 3.5},
      {"$(6 / 2)", 3.0},
      {"$(7 // 2)", 3},
      {"$(-7 // 2)", -4},
      {"$(7 // -2)", -4},
      {"$(-7 % 3)", 2},
      {"$(7 % -3)", -2},
      {"$(7.5 // 2)", 3.0},
      {"$(-7.5 % 2)", 0.5},
      {"$(2 ** 10)", 1024},
      {"$(2 ** -1)", 0.5},
      {"$(-2 ** 2)", -4},
      {"$(2 ** 3 ** 2)", 512},
      {"$(2 ** 0.5)", 1.4142135623730951},
      {"$(0 ** 0)", 1},
      {"$(- -3)", 3},
      {"$(1 - 2 - 3)", -4},
      {"$(1 < 2)", true},
      {"$(2 <= 1.5)", false},
      {"$(1 == 1.0)", true},
      {"$(1 != 2)", true},
      {"$('a' < 'b')", true},
      {"$(s == 'word')", true},
      {"$(true == on)", true},
      {"$(null == a)", false},
      {"$(on and not false)", true},
      {"$(false or on)", true},
      {"$(not a == 8)", true},
      {"$(1 if on else 2)", 1},
      {"$(1 if a > 9 else 2 if a > 6 else 3)", 2},
      {"$(a // 0 if false else 5)", 5},
      {"$(5 if on else a // 0)", 5},
      {"$(false and 1 // 0 == 1)", false},
      {"$(true or 1 // 0 == 1)", true},
      {"\"$(min(3, a, 5))\"", 3},
      {"$(max(l))", 3},
      {"$(round(2.5))", 2},
      {"$(round(3.5))", 4},
      {"$(round(-1.5))", -2},
      {"$(floor(-0.5))", -1},
      {"$(ceil(0.5))", 1},
      {"$(abs(-3))", 3},
      {"$(abs(-0.5))", 0.5},
      {"$(l[1])", 2},
      {"$(l[-1])", 3},
      {"\"$([a, 'it''s', 1.5])\"", Attr::List{7, "it's", 1.5}},
      {"$('text')", "text"},
      {"$(1e2)", 100.0},
      {"$( a )", 7},
      {"$(android)", "never"},
  };
  for (const Case& c : cases) {
    if (c.value == Attr("never")) continue;
    EXPECT_EQ(value_of(c.typed), c.value) << c.typed;
  }
}

TEST(Set, ReplacesParamsAndPaths) {
  const std::string text = R"(params: {lr: 0.1, n: 3, s: word, l: [1]}
layers: [{type: T, a: $lr, b: $n, c: $s, d: $l}]
optimizer: {type: SGD, lr: $lr, groups: [{match: ['*.bias'], lr_scale: 2}]}
train: {epochs: 3}
batch: {per_replica: 4}
)";
  ReadOptions options;
  options.set = {{"lr", "1"},
                 {"n", "$(2 + 3)"},
                 {"s", "other"},
                 {"l", "[2, 3]"},
                 {"train.steps", "50"},
                 {"batch.global", "64"},
                 {"optimizer.momentum", "0.9"},
                 {"optimizer.groups.0.lr_scale", "3"},
                 {"schedule.type", "cosine"},
                 {"devices", "[cpu:0, 'cpu:1']"}};
  options.replicas = 2;
  options.seed = UINT64_MAX;
  Model model = read_layers(text, options);
  EXPECT_EQ(to_string(Attr(model.layers.at(0).params)), "{a: 1.0, b: 5, c: other, d: [2, 3]}");
  EXPECT_EQ(model.train.steps, 50);
  EXPECT_FALSE(model.train.epochs.has_value());
  EXPECT_EQ(model.batch.global, 64);
  EXPECT_EQ(to_string(Attr(model.optimizer->params)), "{lr: 1.0, momentum: 0.9}");
  EXPECT_EQ(to_string(Attr(model.groups.at(0).params)), "{lr_scale: 3}");
  EXPECT_EQ(model.schedule->type, "cosine");
  EXPECT_EQ(model.devices, (std::vector<std::string>{"cpu:0", "cpu:1"}));
  EXPECT_EQ(model.replicas, 2);
  EXPECT_EQ(model.seed, UINT64_MAX);
}

TEST(Batch, PerReplicaTimesReplicasTimesAccumulate) {
  Model model = read_layers(
      "replicas: 3\nbatch: {per_replica: 4, accumulate: 2, last: drop}\nlayers: [ReLU]\n");
  EXPECT_EQ(model.batch.global, 24);
  EXPECT_TRUE(model.batch.drop_last);
}

TEST(Aliases, AreCopiesWithThePlaceOfTheirUse) {
  Model model =
      read_layers("x-a: &k {p: 3}\nlayers:\n  - {type: A, v: *k}\n  - {type: B, v: *k}\n");
  const Attr& second = *find(model.layers.at(1).params, "v");
  EXPECT_EQ(second, Attr(Dict{{"p", 3}}));
  EXPECT_EQ(second.mark.line, 6);
}

TEST(Sections, AreRead) {
  Model model = read_layers(R"(name: my.net-1
layers: [{name: a, type: Linear}, {name: b, type: Linear}]
outputs: {first: a, x: b}
loss:
  main: {type: MSE, from: [b, x], factor: 0.5, reduction: mean}
  other: {type: MSE, from: [a, x]}
metrics: {m: {type: MAE, from: [b, x]}}
optimizer:
  type: SGD
  lr: 1e-2
  groups: [{match: "a.*", lr_scale: 0.1}, {types: [Linear], weight_decay: 0}]
data: {test: {type: Csv, path: t.csv, x: {columns: 0..7}}}
train: {steps: 0, eval: {every: 2}, checkpoint: {every: 5}, minutes: 0.5, clip: {norm: 1}, ema: 0.99,
        keep_best: {metric: m, mode: min}, stop_after: {evals_without_gain: 5}}
weights: {path: w.safetensors, rename: {module.: '', "enc.": body.}, missing: ["head.*"],
          extra: aux.*, misshapen: [fc.weight, fc.bias]}
devices: cpu
reduce: fast
precision: {compute: f16, loss_scale: auto}
)");
  EXPECT_EQ(model.name, "my.net-1");
  EXPECT_EQ(model.outputs.at(1).name, "x");
  EXPECT_EQ(model.losses.at(0).factor, 0.5);
  EXPECT_EQ(to_string(Attr(model.losses.at(0).params)), "{reduction: mean}");
  EXPECT_EQ(model.groups.at(0).match, std::vector<std::string>{"a.*"});
  EXPECT_EQ(model.groups.at(1).types, std::vector<std::string>{"Linear"});
  EXPECT_EQ(get_text(find(model.test_data->params, "x")->as_dict(), "columns"), "0..7");
  EXPECT_EQ(model.train.eval_every, 2);
  EXPECT_EQ(model.train.minutes, 0.5);
  EXPECT_EQ(model.train.clip_norm, 1);
  EXPECT_EQ(model.train.ema, 0.99);
  EXPECT_EQ(model.train.keep_best->metric, "m");
  EXPECT_FALSE(model.train.keep_best->larger);
  EXPECT_EQ(model.train.stop_after, 5);
  EXPECT_EQ(model.weights->path, "w.safetensors");
  EXPECT_EQ(model.weights->rename.at(1), std::pair(std::string("enc."), std::string("body.")));
  EXPECT_EQ(model.weights->missing, std::vector<std::string>{"head.*"});
  EXPECT_EQ(model.weights->extra, std::vector<std::string>{"aux.*"});
  EXPECT_EQ(model.weights->misshapen, (std::vector<std::string>{"fc.weight", "fc.bias"}));
  EXPECT_EQ(model.reduce, Reduce::fast);
  EXPECT_EQ(model.precision.compute, DType::f16);
  EXPECT_EQ(model.precision.loss_scale, 0);
  EXPECT_EQ(model.devices, std::vector<std::string>{"cpu"});
}

}  // namespace
}  // namespace braid
