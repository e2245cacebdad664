// Input that means harm: nothing here may crash, hang, or take much time or memory.
#include <sys/stat.h>

#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "reading.h"

namespace braid {
namespace {

namespace fs = std::filesystem;

/// Seconds that this process has worked: what others do on the machine does not count.
double worked() { return double(std::clock()) / CLOCKS_PER_SEC; }

/// Whatever is handed on refers to what is there, and backwards only.
void expect_links_hold(const Model& model) {
  auto holds = [&](const Link& link, size_t layers) {
    size_t limit = link.kind == Link::Kind::input ? model.inputs.size() : layers;
    return link.index >= 0 && size_t(link.index) < limit;
  };
  for (size_t i = 0; i < model.layers.size(); ++i) {
    for (const Link& link : model.layers[i].from) EXPECT_TRUE(holds(link, i));
    EXPECT_LT(model.layers[i].share, int(i));
  }
  for (const OutputDecl& output : model.outputs)
    EXPECT_TRUE(holds(output.from, model.layers.size()));
  for (const auto* terms : {&model.losses, &model.metrics})
    for (const TermDecl& term : *terms)
      for (const Link& link : term.from) EXPECT_TRUE(holds(link, model.layers.size()));
}

std::string said(std::string text) {
  Diagnostics found;
  Model model = read_text(std::move(text), "net.yaml", {}, found);
  expect_links_hold(model);
  return rendered(found);
}

std::string repeated(const std::string& part, size_t times) {
  std::string text;
  for (size_t i = 0; i < times; ++i) text += part;
  return text;
}

TEST(Hostile, EveryShortStringEndsInAnError) {
  const std::string alphabet = "a1,[]{}:-?&*!|>'\"#%@ \n\t~.$";
  size_t count = 0;
  auto check = [&](const std::string& text) {
    ++count;
    EXPECT_NE(said(text), "") << '"' << text << '"';
    said("braid: 1\nx-a: " + text + "\n");
    said("braid: 1\ninputs: {x: {shape: [N]}}\nlayers: [{type: A, v: " + text + "}]\n");
    said("braid: 1\ninputs: {x: {shape: [N]}}\nparams: {a: 1}\nlayers:\n  - " + text + "\n");
    said("braid: 1\ninputs: {x: {shape: [N]}}\nlayers: [{type: A, v: '$(" + text + ")'}]\n");
  };
  check("");
  for (char a : alphabet) {
    check(std::string(1, a));
    for (char b : alphabet) check({a, b});
  }
  EXPECT_EQ(count, 1 + alphabet.size() + alphabet.size() * alphabet.size());
}

TEST(Hostile, DepthIsBounded) {
  for (const char* part : {"[", "{a: ", "- ", "? ", "[[", "{"}) {
    std::string text = said("braid: 1\nx-a: " + repeated(part, 100000));
    EXPECT_NE(text.find("error[E00"), std::string::npos) << part << text;
    text = said(repeated(part, 100000));
    EXPECT_NE(text.find("error[E00"), std::string::npos) << part << text;
  }
  std::string indented = "braid: 1\n";
  for (int i = 0; i < 1000; ++i) indented += std::string(size_t(i), ' ') + "a:\n";
  EXPECT_NE(said(indented).find("deeper than 64"), std::string::npos);
}

TEST(Hostile, ExpressionsAreBounded) {
  const std::string head = "braid: 1\ninputs: {x: {shape: [N]}}\nlayers:\n  - {type: A, v: '$(";
  for (const char* part : {"(", "not ", "-", "1 if true else ", "[", "2 ** ", "abs("})
    EXPECT_NE(said(head + repeated(part, 10000) + "1)'}\n").find("E0021"), std::string::npos);
  std::string sum = head + "1" + repeated(" + 1", 100000) + ")'}\n";
  EXPECT_EQ(said(sum), "");
  EXPECT_NE(said(head + "2" + repeated(" ** 2", 30) + ")'}\n").find("64 bits"), std::string::npos);
}

TEST(Hostile, NestedAnchorsDoNotMultiply) {
  std::string text = "braid: 1\nx-a: ";
  for (int i = 0; i < 50; ++i) text += "&a" + std::to_string(i) + " [";
  text += repeated("1, ", 100000) + repeated("]", 50) + "\n";
  EXPECT_NE(said(text).find("E0006"), std::string::npos);
}

TEST(Hostile, BytesThatAreNoText) {
  using namespace std::string_literals;
  EXPECT_NE(said("braid: 1\nname: \xff\xfe\n")
                .find("net.yaml:2:7: error[E0002]: bytes that are not UTF-8 at byte 15"),
            std::string::npos);
  EXPECT_NE(said("braid: 1\nname: a\0b\n"s).find("a NUL byte at byte 16"), std::string::npos);
  EXPECT_NE(said("\xff\xfe"
                 "b\0r\0"s)
                .find("UTF-16"),
            std::string::npos);
  EXPECT_NE(said("\xfe\xff\0b"s).find("UTF-16"), std::string::npos);
  EXPECT_NE(said("braid: 1\rname: a\r").find("carriage return"), std::string::npos);
  EXPECT_NE(said("braid: 1\nname: \x1b[31m\n").find("control character"), std::string::npos);
  EXPECT_NE(said("braid: 1\nname: \xc0\xaf\n").find("UTF-8"), std::string::npos);      // overlong
  EXPECT_NE(said("braid: 1\nname: \xed\xa0\x80\n").find("UTF-8"), std::string::npos);  // surrogate
  EXPECT_NE(said("braid: 1\nname: \xe2\x82").find("UTF-8"), std::string::npos);        // cut short
  // What ends a line for YAML alone could end a comment unseen.
  for (const char* line_end : {"\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"})
    EXPECT_NE(
        said(std::string("braid: 1\n# a") + line_end + "seed: 2\n").find("net.yaml:2:4: error"),
        std::string::npos);
  for (const char* odd : {"\xc2\x9f", "\xef\xbb\xbf", "\xef\xbf\xbe", "\xef\xbf\xbf"})
    EXPECT_NE(said(std::string("braid: 1\nname: '") + odd + "'\n").find("error[E0002]"),
              std::string::npos);
  EXPECT_EQ(said("\xef\xbb\xbf"
                 "braid: 1\ninputs: {x: {shape: [N]}}\nlayers: [ReLU]\n"),
            "");
}

TEST(Hostile, NothingTakesLong) {
  for (const char* part :
       {"[",   "[\n",    "{a",    "{a: ", "a: ", "? ", "- ", "- - ", "&a ", "[&a ", "! ",
        "*a ", "\"a\" ", "\"#\n", "'",    "a\n", "a ", ",",  ": ",   "[],", "#\n"})
    for (const char* head : {"", "braid: 1\nx-a: ", "[", "\"", "a: |\n  "}) {
      const std::string text = head + repeated(part, (2 << 20) / std::strlen(part));
      const double before = worked();
      EXPECT_NE(said(text), "") << head << part;
      EXPECT_LT(worked() - before, 30) << head << part;
    }
}

TEST(Hostile, CaretsSurviveUtf8) {
  std::string text = "braid: 1\nx-a: [";
  for (int i = 0; i < 100; ++i) text += i % 2 ? "'\xe2\x82\xac\xc3\xa4', " : "'\xf0\x9f\x98\x80', ";
  const size_t column = text.size() - text.rfind('\n');
  EXPECT_NE(said(text + "*b]\n").find("net.yaml:2:" + std::to_string(column) + ": error[E0007]"),
            std::string::npos);
  EXPECT_NE(said(text + "}\n").find("net.yaml:2:" + std::to_string(column) + ": error[E0015]"),
            std::string::npos);
  EXPECT_NE(said(text + "]\r\n'\xc3\xa4': *b\r\n").find("net.yaml:3:7: error[E0007]"),
            std::string::npos);
}

TEST(Hostile, SizesAreBounded) {
  EXPECT_NE(said(std::string((8 << 20) + 1, '#')).find("8 MiB"), std::string::npos);
  EXPECT_NE(said("braid: 1\nx-a: '" + std::string((1 << 20) + 1, 'a') + "'\n").find("1 MiB"),
            std::string::npos);
  std::string list = "braid: 1\nx-a: [" + repeated("1,", 1'000'001) + "1]\n";
  EXPECT_NE(said(list).find("1000000 values"), std::string::npos);
  std::string text = "braid: 1\nx-a: &t " + std::string(1 << 19, 'a') + "\nx-b: [" +
                     repeated("*t, ", 1000) + "1]\n";
  EXPECT_NE(said(text).find("64 MiB"), std::string::npos);
}

TEST(Hostile, ExpansionIsBounded) {
  const std::string head = "braid: 1\ninputs: {x: {shape: [N]}}\n";
  for (const char* layers :
       {"layers: [{name: a, type: R, repeat: 1000000}]\n",
        "layers: [{for: {k: 0..99999}, type: R, repeat: 1000}]\n",
        "layers: [{layers: [{for: {k: 0..99999}, layers: [{type: R, repeat: 1000, if: "
        "false}]}]}]\n",
        "blocks: {b: {layers: [{for: {k: 0..99999}, type: R, if: false, from: in}, R]}}\n"
        "layers: [{use: b, repeat: 1000}]\n"}) {
    const double before = worked();
    EXPECT_NE(said(head + layers).find("E0047"), std::string::npos) << layers;
    EXPECT_LT(worked() - before, 60) << layers;
  }
}

/// Bytes replaced, lines dropped or doubled: nearly all of it is wrong, none of it may crash.
TEST(Hostile, MutatedNetworksAreReadOrRefused) {
  const std::string bytes = "{}[],:-$()'\"*&#|> \n\tN0a.";
  std::mt19937 random(7);
  size_t refused = 0;
  for (const char* name : {"resnet18", "resnet50", "lenet-bn"}) {
    std::ifstream in(std::string(BRAID_SOURCE_DIR) + "/examples/networks/" + name + ".yaml");
    const std::string good((std::istreambuf_iterator<char>(in)), {});
    ASSERT_FALSE(good.empty());
    for (int round = 0; round < 400; ++round) {
      std::string text = good;
      for (unsigned n = random() % 3; n < 3; ++n) {
        size_t at = random() % text.size();
        size_t line = text.rfind('\n', at) + 1,
               end = std::min(text.find('\n', at), text.size() - 1);
        if (end < line) end = line;
        switch (random() % 4) {
          case 0:
            text[at] = bytes[random() % bytes.size()];
            break;
          case 1:
            text.erase(at, random() % 8);
            break;
          case 2:
            text.insert(line, text.substr(line, end + 1 - line));
            break;
          default:
            text.erase(line, end + 1 - line);
        }
        if (text.empty()) text = "a";
      }
      refused += !said(text).empty();
    }
  }
  EXPECT_GT(refused, 600u);
}

TEST(Hostile, ManyKeysAreNotQuadratic) {
  std::string text = "braid: 1\nx-a:\n";
  for (int i = 0; i < 100000; ++i) text += "  k" + std::to_string(i) + ": 1\n";
  const double before = worked();
  said(text);
  EXPECT_LT(worked() - before, 60);
}

TEST(Hostile, ManyUnknownNamesAreNotQuadratic) {
  std::string text = "braid: 1\ninputs: {x: {shape: [N]}}\nlayers:\n";
  for (int i = 0; i < 50000; ++i)
    text +=
        "  - {name: r" + std::to_string(i) + ", type: ReLU, from: s" + std::to_string(i) + "}\n";
  const double before = worked();
  EXPECT_NE(said(text).find("no layer or input named 's0' stands above"), std::string::npos);
  EXPECT_LT(worked() - before, 60);
}

class Paths : public testing::Test {
 protected:
  Paths() : folder_(fs::temp_directory_path() / ("braid-dsl-" + std::to_string(getpid()))) {
    fs::create_directories(folder_ / "sub");
  }
  ~Paths() override { fs::remove_all(folder_); }

  std::string said_of(const fs::path& path) {
    Diagnostics found;
    read_file(path.string(), {}, found);
    return rendered(found);
  }
  void write(const fs::path& path, const std::string& text) {
    std::ofstream(folder_ / path) << text;
  }

  fs::path folder_;
};

TEST_F(Paths, OnlyRegularFilesAreRead) {
  EXPECT_NE(said_of(folder_ / "none.yaml").find("error[E0001]: cannot read the file: no such file"),
            std::string::npos);
  EXPECT_NE(said_of(folder_).find("this is a folder"), std::string::npos);
  EXPECT_NE(said_of("/dev/zero").find("not a regular file"), std::string::npos);
  EXPECT_NE(said_of("").find("no such file"), std::string::npos);
  ASSERT_EQ(mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_NE(said_of(folder_ / "pipe").find("not a regular file"), std::string::npos);
  write("large.yaml", "");
  fs::resize_file(folder_ / "large.yaml", (8 << 20) + 1);
  EXPECT_NE(said_of(folder_ / "large.yaml").find("larger than 8 MiB"), std::string::npos);
}

TEST_F(Paths, IncludesStayInTheFolderAlsoThroughLinks) {
  write("out.yaml", "braid: 1\nblocks: {b: {layers: [ReLU]}}\n");
  write("sub/in.yaml", "braid: 1\nblocks: {b: {layers: [ReLU]}}\n");
  const std::string tail = "inputs: {x: {shape: [N]}}\nlayers: [{use: b}]\n";
  write("sub/a.yaml", "braid: 1\ninclude: in.yaml\n" + tail);
  EXPECT_EQ(said_of(folder_ / "sub/a.yaml"), "");
  EXPECT_EQ(said_of(folder_ / "sub/../sub/a.yaml"), "");
  fs::create_symlink("../out.yaml", folder_ / "sub/link.yaml");
  write("sub/b.yaml", "braid: 1\ninclude: link.yaml\n" + tail);
  EXPECT_NE(said_of(folder_ / "sub/b.yaml").find("leaves the folder"), std::string::npos);
  fs::create_symlink("in.yaml", folder_ / "sub/inner.yaml");
  write("sub/c.yaml", "braid: 1\ninclude: [inner.yaml, in.yaml]\n" + tail);
  EXPECT_EQ(said_of(folder_ / "sub/c.yaml"), "");  // one file under two names is read once
}

TEST_F(Paths, IncludesBringBlocksWithTheParamsOfTheirFile) {
  write("sub/lib.yaml",
        "braid: 1\nparams: {w: 5}\nblocks:\n  b: {layers: [{name: fc, type: Linear, out_features: "
        "$w}]}\n");
  write("net.yaml",
        "braid: 1\nparams: {w: 3}\ninclude: [sub/lib.yaml]\ninputs: {x: {shape: [N, 8]}}\n"
        "layers: [{name: a, use: b}, {name: c, type: Linear, out_features: $w}]\n");
  Diagnostics found;
  Model model = read_file((folder_ / "net.yaml").string(), {}, found);
  EXPECT_EQ(rendered(found), "");
  EXPECT_EQ(get_int(layer(model, "a.fc").params, "out_features"), 5);
  EXPECT_EQ(get_int(layer(model, "c").params, "out_features"), 3);
}

}  // namespace
}  // namespace braid
