// What the items of a layer list become: names, links, repeats, conditions, second calls.
#include <braid/compiler/sizes.h>

#include "reading.h"

namespace braid {
namespace {

TEST(From, EveryForm) {
  Model model = read_layers(R"(layers:
  - {name: a, type: ReLU}
  - {name: b, type: Tanh, from: x}
  - {type: Add, from: [a, b]}
  - {type: GridSample, from: {input: prev, grid: a}}
  - {type: Split, name: s}
  - {type: Tanh, from: s.second}
  - name: enc
    layers:
      - {name: down, layers: [{type: ReLU}, {type: Tanh}]}
      - {name: b.c, type: ReLU}
  - {type: Add, from: [enc.down.0, enc.down.1]}
  - {type: Add, from: [enc.b.c, enc]}
)");
  EXPECT_EQ(wiring(model),
            "a <- x\nb <- x\n2 <- a b\n3 <- input:2 grid:a\ns <- 3\n5 <- s.second\n"
            "enc.down.0 <- 5\nenc.down.1 <- enc.down.0\nenc.b.c <- enc.down.1\n"
            "7 <- enc.down.0 enc.down.1\n8 <- enc.b.c enc.b.c\n");
}

TEST(From, InlineListsBeginWithTheirOwnInput) {
  Model model = read_layers(R"(layers:
  - {name: a, type: ReLU}
  - {name: b, type: Tanh}
  - name: one
    from: a
    layers:
      - Sigmoid
      - {type: Add, from: [prev, b]}
  - name: two
    layers:
      - {type: Add, from: [prev, a]}
)");
  EXPECT_EQ(wiring(model), "a <- x\nb <- a\none.0 <- a\none.1 <- one.0 b\ntwo.0 <- one.1 a\n");
}

TEST(From, NamesTheInputsOfMath) {
  Model model = read_layers(R"(params: {t: 0.5}
layers:
  - {name: a, type: ReLU}
  - {type: Math, from: {n: a, g: x}, expr: n * (1 + g)}
  - {type: Math, expr: "x / $t"}
)");
  EXPECT_EQ(wiring(model), "a <- x\n1 <- a x\n2 <- 1\n");
  EXPECT_EQ(to_string(Attr(model.layers[1].params)), "{expr: n * (1 + g), inputs: [n, g]}");
  EXPECT_EQ(to_string(Attr(model.layers[2].params)), "{expr: x / 0.5}");
}

TEST(Phases, HaveLossesOptimizersAndWhatTheyUpdate) {
  Model model = read_layers(R"(layers:
  - {name: G, type: Linear, out_features: 3}
  - {name: D, type: Linear, out_features: 1}
phases:
  d:
    loss: {real: {type: Squares, from: D, target: 1}, fake: {type: Squares, from: D, target: 0, factor: 2}}
    optimizer: {type: Adam, lr: 0.1, groups: [{match: "*.bias", lr_scale: 2}]}
    update: ["D.*"]
    every: 2
  g: {loss: {type: Squares, from: D, target: 1}, optimizer: {type: SGD}, schedule: {type: cosine}, update: "G.*"}
tie: {D.bias: G.bias}
)");
  ASSERT_EQ(model.phases.size(), 2u);
  EXPECT_EQ(model.phases[0].losses, (std::vector<std::string>{"d.real", "d.fake"}));
  EXPECT_EQ(model.phases[1].losses, (std::vector<std::string>{"g"}));
  EXPECT_EQ(model.phases[0].every, 2);
  EXPECT_EQ(model.phases[0].groups.at(0).match, (std::vector<std::string>{"*.bias"}));
  EXPECT_EQ(model.phases[1].schedule->type, "cosine");
  EXPECT_EQ(model.phases[1].update, (std::vector<std::string>{"G.*"}));
  ASSERT_EQ(model.losses.size(), 3u);
  EXPECT_EQ(model.losses[1].target, 0.0);
  EXPECT_EQ(model.losses[1].factor, 2);
  EXPECT_EQ(model.ties.at(0).key + "=" + model.ties.at(0).to, "D.bias=G.bias");
}

TEST(FreeDimensions, KeepTheirNames) {
  Diagnostics found;
  Model model = read_text(
      "braid: 1\ninputs: {x: {shape: [N, L, W]}, y: {shape: [N, L]}}\n"
      "layers: [{type: A, from: x, size: [N, L, 2*W], expect: [N, L, _]}]\n",
      "net.yaml", {.set = {{"W", "8"}}}, found);
  found.raise();
  ASSERT_EQ(model.free.size(), 2u);
  EXPECT_EQ(model.free[0].name, "L");
  EXPECT_EQ(model.free[0].size, 0);
  EXPECT_EQ(model.free[1].size, 8);
  EXPECT_EQ(to_string(model.inputs[0].type.shape), "[N, L, W]");
  Model sized = with_sizes(model, {5, 8});
  EXPECT_EQ(sized.inputs[1].type.dims(3), (std::vector<int64_t>{3, 5}));
  EXPECT_EQ(to_string(Attr(sized.layers[0].params)), "{size: [N, 5, 16]}");
  EXPECT_EQ(sized.layers[0].expect->at(1), Dim(5));
}

TEST(If, UsersOfARemovedItemGetItsFirstInput) {
  Model model = read_layers(R"(blocks:
  b:
    params: {s: 1}
    layers:
      - {name: main, type: ReLU}
      - {name: skip, type: Tanh, if: $(s != 1), from: in}
      - {name: norm, type: Sigmoid, if: $(s != 1)}
      - {type: Add, from: [main, norm]}
      - {type: Last, if: false}
layers:
  - {name: p, use: b}
  - {name: q, use: b, s: 2}
  - {name: end, type: ReLU}
)");
  EXPECT_EQ(wiring(model),
            "p.main <- x\np.1 <- p.main x\n"  // skip and norm take no position
            "q.main <- p.1\nq.skip <- p.1\nq.norm <- q.skip\nq.3 <- q.main q.norm\nend <- q.3\n");
}

TEST(Repeat, ChainsByTheFirstInput) {
  Model model = read_layers(R"(blocks:
  pair: {inputs: [a, b], layers: [{type: Add, from: [a, b]}]}
layers:
  - {name: r, type: Linear, out_features: $(2 * i), repeat: 3}
  - {name: once, type: ReLU, repeat: 1}
  - {type: Tanh, repeat: 2}
  - {name: c, use: pair, from: [prev, x], repeat: 2}
  - {name: none, type: ReLU, repeat: 0}
  - {type: Add, from: [none, r.0]}
)");
  EXPECT_EQ(wiring(model),
            "r.0 <- x\nr.1 <- r.0\nr.2 <- r.1\nonce.0 <- r.2\n2 <- once.0\n3 <- 2\n"
            "c.0.0 <- 3 x\nc.1.0 <- c.0.0 x\n5 <- c.1.0 r.0\n");
  EXPECT_EQ(get_int(layer(model, "r.2").params, "out_features"), 4);
}

TEST(For, WritesTheItemOncePerValue) {
  Model model = read_layers(R"(layers:
  - {for: {k: 0..2}, name: "b_$k", type: Linear, out_features: $(64 * 2 ** k)}
  - {for: {a: [1, 2], t: [one, two]}, type: Tanh, p: $a, q: $t}
  - {for: {k: 3..2}, type: ReLU}
  - {for: {n: [2, 1]}, type: Sigmoid, repeat: $n, k: $(10 * n + i)}
  - {type: Add, from: ['b_$(1 - 1)', b_2]}
)");
  EXPECT_EQ(wiring(model),
            "b_0 <- x\nb_1 <- b_0\nb_2 <- b_1\n3 <- b_2\n4 <- 3\n5 <- 4\n6 <- 5\n7 <- 6\n"
            "8 <- b_0 b_2\n");
  EXPECT_EQ(get_int(layer(model, "b_2").params, "out_features"), 256);
  EXPECT_EQ(get_text(layer(model, "4").params, "q"), "two");
  EXPECT_EQ(get_int(layer(model, "6").params, "k"), 21);
  EXPECT_EQ(get_int(layer(model, "7").params, "k"), 10);
}

TEST(Blocks, PortsAreOutputsAndTheFirstIsTheDefault) {
  Model model = read_layers(R"(blocks:
  body:
    layers: [{name: l1, type: ReLU}, {name: l2, type: Tanh}, {name: l3, type: Sigmoid}]
    outputs: {c1: l1, c2: l2}
layers:
  - {name: body, use: body}
  - {name: a, type: ReLU}
  - {name: b, type: ReLU, from: body.c2}
)");
  EXPECT_EQ(wiring(model),
            "body.l1 <- x\nbody.l2 <- body.l1\nbody.l3 <- body.l2\n"
            "a <- body.l1\nb <- body.l2\n");
}

TEST(Blocks, TakeInputsByPositionAndByName) {
  Model model = read_layers(R"(blocks:
  up: {inputs: [x, skip], layers: [{type: Concat, from: [skip, x], dim: 1}, {type: Tanh, from: in}]}
layers:
  - {name: a, type: ReLU}
  - {name: b, use: up, from: [a, x]}
  - {name: c, use: up, from: {skip: a, x: b}}
)");
  EXPECT_EQ(wiring(model), "a <- x\nb.0 <- x a\nb.1 <- a\nc.0 <- a b.1\nc.1 <- b.1\n");
}

TEST(Blocks, ParamsHideOuterNamesAndDefaultsUseThoseAbove) {
  Model model = read_layers(R"(params: {ch: 100, only: 7}
blocks:
  b:
    params: {ch: int, hidden: $(4 * ch), text: "w$ch"}
    layers: [{type: L, a: $ch, b: $hidden, c: $only, d: $text}]
layers: [{name: l, use: b, ch: 3}]
)");
  EXPECT_EQ(to_string(Attr(model.layers.at(0).params)), "{a: 3, b: 12, c: 7, d: w3}");
}

TEST(Blocks, LayerParamsAreWholeItems) {
  Model model = read_layers(R"(blocks:
  outer:
    params: {act: layer}
    layers: [{name: in1, use: inner, act: $act}]
  inner:
    params: {act: layer, norm: {type: BatchNorm1d, eps: 0.5}}
    layers: [{name: fc, type: Linear}, $norm, $act]
layers:
  - {name: a, use: outer, act: {type: LeakyReLU, negative_slope: $(0.1 * 2)}}
  - {name: b, use: inner, act: Tanh}
)");
  EXPECT_EQ(wiring(model),
            "a.in1.fc <- x\na.in1.1 <- a.in1.fc\na.in1.2 <- a.in1.1\n"
            "b.fc <- a.in1.2\nb.1 <- b.fc\nb.2 <- b.1\n");
  EXPECT_EQ(layer(model, "a.in1.2").type, "LeakyReLU");
  EXPECT_EQ(get_double(layer(model, "a.in1.2").params, "negative_slope"), 0.2);
  EXPECT_EQ(layer(model, "b.1").type, "BatchNorm1d");
  EXPECT_EQ(layer(model, "b.2").type, "Tanh");
}

TEST(Share, CallsALayerOrAWholeBlockAgain) {
  Model model = read_good(R"(inputs: {l: {shape: [N, 4]}, r: {shape: [N, 4]}}
blocks:
  tower: {params: {d: 1}, layers: [{name: c, type: Linear, out_features: $d}, ReLU]}
layers:
  - {name: enc, use: tower, from: l, d: 5}
  - {name: other, share: enc, from: r}
  - {name: third, share: other}
  - {name: one, share: enc, repeat: 2}
  - {name: seq, layers: [{name: t, type: Linear}], repeat: 2}
  - {name: seq2, share: seq}
  - {name: t2, share: seq.1.t}
  - {type: Dist, from: [enc, other]}
)");
  EXPECT_EQ(wiring(model),
            "enc.c <- l\nenc.1 <- enc.c\nother.c <- r\nother.1 <- other.c\nthird.c <- other.1\n"
            "third.1 <- third.c\none.0.c <- third.1\none.0.1 <- one.0.c\none.1.c <- one.0.1\n"
            "one.1.1 <- one.1.c\nseq.0.t <- one.1.1\nseq.1.t <- seq.0.t\nseq2.0.t <- seq.1.t\n"
            "seq2.1.t <- seq2.0.t\nt2 <- seq2.1.t\n7 <- enc.1 other.1\n");
  EXPECT_EQ(layer(model, "enc.c").share, -1);
  EXPECT_EQ(layer(model, "other.c").share, 0);
  EXPECT_EQ(layer(model, "third.c").share, 0);  // the first call, not the second
  EXPECT_EQ(layer(model, "one.1.1").share, 1);
  EXPECT_EQ(layer(model, "seq2.1.t").share, layer(model, "seq2.0.t").share + 1);
  EXPECT_EQ(model.layers.at(size_t(layer(model, "t2").share)).path, "seq.1.t");
  EXPECT_EQ(get_int(layer(model, "third.c").params, "out_features"), 5);
}

// The outermost `use` or `layers` is one segment, and so are neighbours in one list.
TEST(CommonKeys, RecomputeNamesTheSegment) {
  Model model = read_layers(R"(blocks:
  b: {layers: [{name: a, type: ReLU}, {name: c, type: ReLU, recompute: false}, {name: d, layers: [ReLU]}]}
  own: {layers: [{name: a, type: ReLU, recompute: true}, {name: c, type: ReLU, recompute: true}]}
layers:
  - {name: p, use: b, repeat: 2, recompute: true}
  - {name: off, use: own, recompute: false}
  - {name: on, use: own}
  - {name: q, layers: [{name: r, use: b, recompute: true}], recompute: $(1 > 0)}
  - {name: once, type: Linear, out_features: 8, recompute: true}
  - {share: once, name: twice}
  - {name: last, type: ReLU}
)");
  std::string segments;
  for (auto& item : model.layers)
    segments += item.path + (item.recompute ? " in '" + item.segment + "'\n" : " kept\n");
  EXPECT_EQ(segments,
            "p.0.a in 'p.0.'\np.0.c kept\np.0.d.0 in 'p.0.'\n"
            "p.1.a in 'p.1.'\np.1.c kept\np.1.d.0 in 'p.1.'\n"
            "off.a in 'off.'\noff.c in 'off.'\non.a in 'on.'\non.c in 'on.'\n"
            "q.r.a in 'q.'\nq.r.c kept\nq.r.d.0 in 'q.'\n"
            "once in ''\ntwice in ''\nlast kept\n");
}

TEST(CommonKeys, HoldForEverythingInsideThatSaysNothingItself) {
  Model model = read_layers(R"(replicas: 8
blocks:
  b: {layers: [{name: a, type: BatchNorm1d}, {name: c, type: BatchNorm1d, sync: all, freeze: false}]}
layers:
  - {name: s, use: b, sync: 4, freeze: true, when: train}
  - {name: i, sync: none, freeze: stats, layers: [BatchNorm1d]}
  - {name: o, type: Linear, init: {weight: {normal: {std: 0.02}}}, note: mine, x-any: [1], on_replicate: f}
)");
  EXPECT_EQ(layer(model, "s.a").sync, 4);
  EXPECT_EQ(layer(model, "s.a").freeze, Freeze::all);
  EXPECT_EQ(layer(model, "s.a").when, "train");
  EXPECT_EQ(layer(model, "s.c").sync, 0);
  EXPECT_EQ(layer(model, "s.c").freeze, Freeze::none);
  EXPECT_EQ(layer(model, "i.0").sync, 1);
  EXPECT_EQ(layer(model, "i.0").freeze, Freeze::stats);
  EXPECT_EQ(layer(model, "o").on_replicate, "f");
  EXPECT_EQ(to_string(Attr(layer(model, "o").init)), "{weight: {normal: {std: 0.02}}}");
  EXPECT_TRUE(layer(model, "o").params.empty());
}

TEST(Patterns, LaterLinesWinAndTheLayerWinsOverAll) {
  Model model = read_layers(R"(replicas: 8
layers:
  - name: backbone
    layers:
      - {name: bn1, type: BatchNorm1d}
      - {name: bn2, type: BatchNorm1d, sync: all, freeze: false}
      - {name: last, sync: 2, layers: [{name: bn, type: BatchNorm1d}]}
  - {name: head, type: BatchNorm1d}
  - {name: again, share: backbone}
freeze: {"backbone.*": true, "*.bn1": stats, head.bias: true}
sync: {"*": none, "backbone.*": 4}
)");
  EXPECT_EQ(layer(model, "backbone.bn1").sync, 4);
  EXPECT_EQ(layer(model, "backbone.bn1").freeze, Freeze::stats);
  EXPECT_EQ(layer(model, "backbone.bn2").sync, 0);
  EXPECT_EQ(layer(model, "backbone.bn2").freeze, Freeze::none);
  EXPECT_EQ(layer(model, "backbone.last.bn").sync, 2);
  EXPECT_EQ(layer(model, "backbone.last.bn").freeze, Freeze::all);
  EXPECT_EQ(layer(model, "head").sync, 1);
  EXPECT_EQ(layer(model, "head").freeze, Freeze::none);
  EXPECT_EQ(layer(model, "again.bn1").sync, 4);  // a second call is what the first is
  EXPECT_EQ(layer(model, "again.bn1").freeze, Freeze::stats);
}

TEST(CommonKeys, ExpectOfAGroupIsAboutItsOutput) {
  Model model = read_layers(R"(layers:
  - {name: s, expect: [16*N, _, 4], layers: [ReLU, {name: last, type: Tanh}]}
)");
  EXPECT_FALSE(layer(model, "s.0").expect.has_value());
  EXPECT_EQ(*layer(model, "s.last").expect,
            (std::vector<ExpectDim>{Dim(16, true), std::nullopt, Dim(4)}));
}

TEST(Names, AreWrittenAsTheyAre) {
  Model model = read_layers(R"(layers:
  - {name: 0.conv, type: ReLU}
  - {name: no, type: Tanh}
  - {name: "3", type: Tanh, from: 0.conv}
  - {name: größe, type: Tanh, from: no}
)");
  EXPECT_EQ(wiring(model), "0.conv <- x\nno <- 0.conv\n3 <- 0.conv\ngröße <- no\n");
}

TEST(Outputs, WithoutThemTheLastLayerIsTheOutput) {
  Model model = read_layers("layers: [ReLU, {name: end, type: Tanh}]\n");
  ASSERT_EQ(model.outputs.size(), 1u);
  EXPECT_EQ(model.outputs[0].name, "end");
  EXPECT_EQ(path_of(model, model.outputs[0].from), "end");
}

TEST(Names, OfDimensionsStayTextInParameters) {
  Model model = read_layers("layers: [{type: Expand, size: [N, 16, L], end: L}]\n");
  EXPECT_EQ(to_string(Attr(model.layers[0].params)), "{size: [N, 16, L], end: L}");
}

}  // namespace
}  // namespace braid
