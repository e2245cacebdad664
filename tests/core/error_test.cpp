// How errors look, and how the nearest name is found.
#include <gtest/gtest.h>

#include <braid/core/attr.h>
#include <braid/core/error.h>

namespace braid {
namespace {

std::shared_ptr<const Source> source(std::string text, std::string name = "net.yaml") {
  return std::make_shared<const Source>(Source{std::move(name), std::move(text)});
}

Diagnostic diagnostic(Mark mark, std::string message = "bad") {
  return {"E0203", Severity::error, std::move(mark), std::move(message), {}, {}};
}

TEST(Render, ShowsPlaceLineCaretNotesAndHelp) {
  auto net = source("a: 1\n  - {name: cat}\n");
  auto block = source("one\ntwo\n", "blocks/resnet.yaml");
  auto via = std::make_shared<const Frame>(Frame{"conv_bn, s=2", Mark{net, 1, 1, 1}});
  Diagnostic d = diagnostic({net, 2, 12, 3}, "layer 'cat': Concat inputs disagree");
  d.note({net, 1, 1, 1}, "input 0").note({block, 2, 1, 1, via}, "input 1").note({}, "alone");
  d.help("first line\nsecond line");
  EXPECT_EQ(render(d),
            "net.yaml:2:12: error[E0203]: layer 'cat': Concat inputs disagree\n"
            "    2 |   - {name: cat}\n"
            "      |            ^^^\n"
            "   input 0   from net.yaml:1\n"
            "   input 1   from net.yaml:1 -> blocks/resnet.yaml:2 (conv_bn, s=2)\n"
            "   alone\n"
            "   help: first line\n"
            "         second line\n");
}

TEST(Render, CaretsStandRightUnderTabsAccentsAndWideCharacters) {
  EXPECT_EQ(render(diagnostic({source("\tgr\xc3\xb6\xc3\x9f"
                                      "e: \xe6\xbc\xa2 x"),
                               1, 15, 1})),
            "net.yaml:1:15: error[E0203]: bad\n"
            "    1 | \tgr\xc3\xb6\xc3\x9f"
            "e: \xe6\xbc\xa2 x\n"
            "      | \t          ^\n");
  EXPECT_EQ(render(diagnostic({source("e\xcc\x81: x"), 1, 6, 1})),  // a combining accent
            "net.yaml:1:6: error[E0203]: bad\n    1 | e\xcc\x81: x\n      |    ^\n");
}

TEST(Render, ChainsGoFromWhatTheUserTypedInwards) {
  auto net = source("a\nb\nc\n");
  auto outer = std::make_shared<const Frame>(Frame{"outer", Mark{net, 1, 1, 1}});
  auto inner = std::make_shared<const Frame>(Frame{"inner, i=1", Mark{net, 2, 1, 1, outer}});
  EXPECT_EQ(render(diagnostic({net, 3, 1, 1, inner})),
            "net.yaml:3:1: error[E0203]: bad\n    3 | c\n      | ^\n"
            "   from net.yaml:1 -> net.yaml:2 (outer) -> net.yaml:3 (inner, i=1)\n");
}

TEST(Render, LongLinesAreCutAroundTheCaret) {
  std::string text = render(diagnostic({source(std::string(100000, 'a')), 1, 50001, 4}));
  EXPECT_LT(text.size(), 500u);
  EXPECT_NE(text.find(" | ...aaa"), std::string::npos);
  EXPECT_NE(text.find("^^^^\n"), std::string::npos);
}

TEST(Render, EscapeSequencesDoNotReachTheTerminal) {
  std::string text = render(diagnostic({source("a\x1b[31m"), 1, 1, 1}, "x\x1b[0m"));
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(Render, WithoutALineOrAFile) {
  EXPECT_EQ(render(diagnostic({source(""), 0, 0, 0})), "net.yaml: error[E0203]: bad\n");
  EXPECT_EQ(render(diagnostic({})), "error[E0203]: bad\n");
  EXPECT_EQ(render(diagnostic({source("a"), 9, 1, 1})), "net.yaml:9:1: error[E0203]: bad\n");
  Diagnostic warning = diagnostic({});
  warning.severity = Severity::warning;
  EXPECT_EQ(render(warning), "warning[E0203]: bad\n");
}

TEST(Json, HoldsTheSameContentOnOneLine) {
  auto net = source("a\n");
  auto via = std::make_shared<const Frame>(Frame{"b", Mark{net, 1, 1, 1}});
  Diagnostic d = diagnostic({net, 1, 1, 2, via}, "say \"hi\"\\\n\t");
  d.note({net, 1, 1, 1}, "n").note({}, "m").help("h");
  EXPECT_EQ(to_json(d),
            R"({"severity": "error", "code": "E0203", "message": "say \"hi\"\\\n\u0009", )"
            R"("file": "net.yaml", "line": 1, "column": 1, "length": 2, )"
            R"("via": [{"what": "b", "file": "net.yaml", "line": 1, "column": 1}], )"
            R"("notes": [{"text": "n", "file": "net.yaml", "line": 1, "column": 1}, )"
            R"({"text": "m"}], "help": "h"})");
}

TEST(Diagnostics, KeepTheFirstErrorsAndCountTheRest) {
  Diagnostics found(2);
  found.warning("W1", {}, "careful");
  EXPECT_FALSE(found.has_errors());
  found.raise();
  for (int i = 0; i < 5; ++i) found.error("E1", {}, "no. " + std::to_string(i)).help("h");
  EXPECT_EQ(found.errors(), 5u);
  EXPECT_EQ(found.all().size(), 3u);
  try {
    found.raise(Fault::data);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.fault(), Fault::data);
    EXPECT_STREQ(e.what(),
                 "error[E1]: no. 0\n   help: h\nerror[E1]: no. 1\n   help: h\n"
                 "error[E0100]: 3 more errors are not shown\n");
  }
}

TEST(Diagnostics, TakeInAnError) {
  Diagnostics found(1);
  found.add(Error(Fault::model, "E1", "one").help("two"));
  found.add(Error(Fault::model, "E1", "over the limit"));
  EXPECT_EQ(found.errors(), 2u);
  ASSERT_EQ(found.all().size(), 1u);
  EXPECT_EQ(found.all()[0].helps, "two");
}

TEST(Diagnostics, SayTheSameAtTheSamePlaceOnce) {
  auto source = std::make_shared<const Source>(Source{"net.yaml", "braid: 1\n- {type: Liner}\n"});
  const Mark here{source, 2, 10, 5, nullptr}, there{source, 1, 1, 5, nullptr};
  Diagnostics found(2);
  found.error("E1", here, "layer 'a.0': unknown").help("kept");
  found.error("E1", here, "layer 'a.1': unknown").help("lost");  // one line, another layer of it
  found.error("E1", there, "layer 'a.1': unknown");
  found.warning("W1", here, "layer 'a.0': unknown");  // a warning is another thing
  EXPECT_EQ(found.errors(), 3u);
  ASSERT_EQ(found.all().size(), 3u);
  EXPECT_EQ(found.all()[0].helps, "kept");
  try {
    found.raise();
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.diagnostics().size(), 2u);  // what was said before does not count as not shown
  }
}

TEST(Error, BugsAreOurs) {
  try {
    bug("impossible");
  } catch (const Error& e) {
    EXPECT_EQ(int(e.fault()), 70);
    EXPECT_NE(std::string(e.what()).find("internal error: impossible"), std::string::npos);
  }
  EXPECT_THROW(ensure(false, "x"), Error);
  EXPECT_NO_THROW(ensure(true, "x"));
}

TEST(Nearest, IsNearOrNothing) {
  const std::vector<std::string> names = {"momentum", "Conv2d", "ReLU", "conv1",
                                          "conv2",    "a",      "lr"};
  EXPECT_EQ(nearest("momentun", names), "momentum");
  EXPECT_EQ(nearest("omentum", names), "momentum");
  EXPECT_EQ(nearest("moemntum", names), "momentum");  // a swap is one mistake
  EXPECT_EQ(nearest("relu", names), "ReLU");
  EXPECT_EQ(nearest("conv2D", names), "Conv2d");
  EXPECT_EQ(nearest("conv3", names), "conv1");  // the first of equals
  EXPECT_EQ(nearest("b", names), "");
  EXPECT_EQ(nearest("", names), "");
  EXPECT_EQ(nearest("something else", names), "");
  EXPECT_EQ(nearest(std::string(100000, 'm'), names), "");
  EXPECT_EQ(did_you_mean("rl", names), "");
  EXPECT_EQ(did_you_mean("lrr", names), " (did you mean 'lr'?)");
}

TEST(Nearest, KnowsWhatOthersCallIt) {
  const std::vector<std::string> conv = {"out_channels", "kernel_size", "stride"},
                                 linear = {"out_features", "bias"}, types = {"Conv2d", "Linear"};
  EXPECT_EQ(translated("filters", conv), "out_channels");
  EXPECT_EQ(translated("num_output", linear), "out_features");
  EXPECT_EQ(translated("filters", types), "");
  EXPECT_EQ(translated("torch.nn.Conv2d", types), "Conv2d");
  EXPECT_EQ(translated("keras.layers.Dense", types), "Linear");
  EXPECT_EQ(translated("stride", conv), "");  // no other name: the same
  EXPECT_EQ(meant("strides", conv), "stride");
  EXPECT_EQ(meant("kernel_sise", conv), "kernel_size");
  EXPECT_EQ(did_you_mean("units", linear), " (here it is called 'out_features')");
  EXPECT_NE(advice_on("activation"), "");
  EXPECT_NE(advice_on("convolution_param"), "");
  EXPECT_EQ(advice_on("stride"), "");
}

}  // namespace
}  // namespace braid
