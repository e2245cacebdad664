// Images as a source: decoding, pairing, and files that are damaged or lie.
#include <chrono>
#include <filesystem>

#include <braid/core/random.h>
#include <braid/runtime/data.h>
#include <gtest/gtest.h>

#include "runtime/declared.h"
#include "runtime/pngs.h"
#include "runtime/temp_folder.h"

namespace braid {
namespace {

using test::chunk;
using test::declared;
using test::deflated;
using test::error_of;
using test::faults_of;
using test::filled;
using test::ihdr;
using test::png;
using test::TempFolder;

const std::string signature(test::png_signature);

const std::vector<InputDecl> inputs = {{"image", {DType::f32, {N, 3, 2, 2}}},
                                       {"mask", {DType::i64, {N, 2, 2}}}};

TypedDict scenes(Dict image = {}, Dict mask = {}) {
  image.insert(image.begin(), {"folder", "images"});
  mask.insert(mask.begin(), {"folder", "masks"});
  return declared("Images", {{"image", image}, {"mask", mask}});
}

struct Scenes : TempFolder {
  Scenes() {
    std::filesystem::create_directory(*this / "images");
    std::filesystem::create_directory(*this / "masks");
    // Written in another order than that of their names.
    for (char name : {'b', 'a', 'c'}) {
      std::string pixels;
      for (int i = 0; i < 12; ++i)
        pixels += char(name == 'a' ? i : name == 'b' ? 100 + i : 255 - i);
      write(std::string("images/") + name + ".png", png(2, 2, 3, pixels));
      write(std::string("masks/") + name + ".png", png(2, 2, 1, std::string({0, 1, name, '\xff'})));
    }
    write("images/notes.txt", "no image");
    write("images/.hidden.png", "no image");
  }
};

std::string opened(const TempFolder& folder, const TypedDict& data = scenes(),
                   const std::vector<InputDecl>& decls = inputs) {
  return error_of(folder, [&] { DataSource::open(data, decls, folder.path()); });
}

TEST(ImagesSource, FillsImagesAndMasks) {
  Scenes folder;
  DataSource source = DataSource::open(scenes(), inputs, folder.path());
  EXPECT_EQ(source.size(), 3);
  EXPECT_EQ(source.bytes_per_sample(0), 48);
  EXPECT_EQ(source.bytes_per_sample(1), 32);
  // Channels come first: RGBRGB... becomes R... G... B...
  EXPECT_EQ(filled<float>(source, 0, {0}),
            (std::vector<float>{0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11}));
  EXPECT_EQ(filled<float>(source, 0, {2, 1})[0], 255);
  EXPECT_EQ(filled<int64_t>(source, 1, {1, 2}),
            (std::vector<int64_t>{0, 1, 'b', 255, 0, 1, 'c', 255}));
  source.check_labels(1, 'c' + 1, 255);
  EXPECT_EQ(error_of(folder, [&] { source.check_labels(1, 'c', 255); }),
            "E0346: '~/masks': label 99 of sample 2 is outside the 99 classes 0 to 98");
}

TEST(ImagesSource, ScalesEachChannelWithNumbersOfItsOwn) {
  Scenes folder;
  Dict image = {
      {"scale", 1 / 255.0}, {"mean", Attr::List{0.5, 0.25, 0.125}}, {"std", Attr::List{1, 2, 0.5}}};
  DataSource source = DataSource::open(scenes(image), inputs, folder.path());
  std::vector<float> values = filled<float>(source, 0, {1});
  EXPECT_EQ(values[0], float((100 * (1 / 255.0) - 0.5) / 1));
  EXPECT_EQ(values[7], float((110 * (1 / 255.0) - 0.25) / 2));
  EXPECT_EQ(values[11], float((111 * (1 / 255.0) - 0.125) / 0.5));
}

TEST(ImagesSource, ReadsListsInTheirOrder) {
  Scenes folder;
  folder.write("some.txt", "images/c.png\r\n\nimages/a.png");
  TypedDict data = declared(
      "Images", {{"image", Dict{{"list", "some.txt"}}}, {"mask", Dict{{"folder", "masks"}}}});
  DataSource source = DataSource::open(data, inputs, folder.path());
  EXPECT_EQ(source.size(), 2);  // of the folder of masks, only the partners
  EXPECT_EQ(filled<int64_t>(source, 1, {0, 1})[2], 'c');
  EXPECT_EQ(filled<int64_t>(source, 1, {0, 1})[6], 'a');
  folder.write("some.txt", "images/d.png");
  EXPECT_EQ(opened(folder, data), "E0362: '~/images/d.png' has no partner named 'd' in '~/masks'");
  folder.write("some.txt", "\n");
  EXPECT_EQ(opened(folder, data), "E0343: '~/some.txt' has no images");
}

TEST(ImagesSource, ReadsPatternsAndPairsByWhatTheStarStandsFor) {
  Scenes folder;
  for (char name : {'a', 'c'})
    folder.write(std::string("masks/of-") + name + ".class.png",
                 png(2, 2, 1, std::string({2, 3, name, '\xff'})));
  Dict image{{"path", "images/*.png"}}, mask{{"path", "masks/of-*.class.png"}};
  TypedDict data = declared("ImageMask", {{"image", image}, {"mask", mask}});
  EXPECT_EQ(opened(folder, data), "E0362: '~/images/b.png' has no partner named 'b' in '~/masks/'");
  std::filesystem::remove(folder / "images/b.png");
  DataSource source = DataSource::open(data, inputs, folder.path());
  EXPECT_EQ(source.size(), 2);
  EXPECT_EQ(filled<float>(source, 0, {1})[0], 255);
  EXPECT_EQ(filled<int64_t>(source, 1, {0, 1}),
            (std::vector<int64_t>{2, 3, 'a', 255, 2, 3, 'c', 255}));
  data = declared("ImageMask", {{"image", Dict{{"path", "images/x*.png"}}}, {"mask", mask}});
  EXPECT_EQ(opened(folder, data), "E0343: '~/images/' has no images");
  for (const char* path : {"images/a.png", "*/a.png", "images/*.*"})
    EXPECT_EQ(faults_of(declared("ImageMask", {{"image", Dict{{"path", path}}}}), inputs),
              std::string("net.yaml:1:1: E0333: data source 'ImageMask', input 'image': 'path' "
                          "must be a pattern with one `*`, in the name: masks/*.png, not ") +
                  to_string(Attr(path)) + "\n");
  EXPECT_EQ(faults_of(scenes({{"path", "images/*.png"}}), inputs),
            "net.yaml:1:1: E0333: data source 'Images', input 'image': 'path' must be left out "
            "beside 'folder', not images/*.png\n");
}

const std::vector<InputDecl> gray = {{"x", {DType::f32, {N, 1, 8, 8}}}};
const TypedDict any_data = declared("Images", {{"x", Dict{{"folder", "."}}}});

TEST(ImagesSource, SpreadsFewBitsForImagesAndRefusesThemForClasses) {
  TempFolder folder;
  folder.write("x.png",
               signature + ihdr(8, 8, 1, 0) +
                   chunk("IDAT", deflated(test::rows("\xf0\xf0\xf0\xf0\x0f\x0f\x0f\x0f", 1))) +
                   chunk("IEND", ""));
  std::vector<float> values =
      filled<float>(DataSource::open(any_data, gray, folder.path()), 0, {0});
  EXPECT_EQ(values[0], 255);
  EXPECT_EQ(values[7], 0);
  EXPECT_EQ(values[56], 0);
  std::vector<InputDecl> classes = {{"x", {DType::i64, {N, 8, 8}}}};
  EXPECT_TRUE(opened(folder, any_data, classes).starts_with("E0364: "));
}

TEST(ImagesSource, NamesAFileWithoutPartner) {
  Scenes folder;
  std::filesystem::remove(folder / "masks/b.png");
  EXPECT_EQ(opened(folder), "E0362: '~/images/b.png' has no partner named 'b' in '~/masks'");
  std::filesystem::remove(folder / "images/b.png");
  EXPECT_EQ(opened(folder), "");
  std::filesystem::remove(folder / "images/c.png");
  EXPECT_EQ(opened(folder), "E0362: '~/masks/c.png' has no partner named 'c' in '~/images'");
  folder.write("images/a.PNG", "");
  EXPECT_EQ(opened(folder),
            "E0362: '~/images/a.PNG' and '~/images/a.png' have the same name, so it is not clear "
            "which belongs to the others of that name");
}

TEST(ImagesSource, RefusesWhatDoesNotFitTheInput) {
  Scenes folder;
  folder.write("images/b.png", png(3, 2, 3, std::string(18, 'x')));
  EXPECT_EQ(opened(folder), "E0363: '~/images/b.png': it has 2x3 pixels, its input 2x2");
  folder.write("images/b.png", png(2, 2, 1, "1234"));
  EXPECT_EQ(opened(folder), "E0364: '~/images/b.png': it has 1 channels, input 'image' has 3");
  folder.write("images/b.png", png(2, 2, 4, std::string(16, 'x')));
  EXPECT_EQ(opened(folder), "E0364: '~/images/b.png': it has 4 channels, input 'image' has 3");
  folder.write("images/b.png", png(2, 2, 3, std::string(12, 'x')));
  folder.write("masks/c.png", png(2, 2, 3, std::string(12, 'x')));
  EXPECT_EQ(opened(folder), "E0364: '~/masks/c.png': it has 3 channels, input 'mask' has 1");
  folder.write("masks/c.png", signature + ihdr(2, 2, 8, 3) + chunk("PLTE", "rgb") +
                                  chunk("IDAT", deflated(test::rows("1234", 2))) +
                                  chunk("IEND", ""));
  EXPECT_EQ(opened(folder), "E0364: '~/masks/c.png': a PNG with a palette is not read");
  folder.write("masks/c.png", signature + ihdr(2, 2, 16, 0) + chunk("IEND", ""));
  EXPECT_EQ(opened(folder), "E0364: '~/masks/c.png': a PNG of 16 bits is not read");
}

TEST(ImagesSource, NamesFoldersThatAreMissingOrEmpty) {
  TempFolder folder;
  EXPECT_EQ(opened(folder), "E0301: cannot read folder '~/images': No such file or directory");
  std::filesystem::create_directory(folder / "images");
  EXPECT_EQ(opened(folder), "E0343: '~/images' has no images");
  Scenes whole;
  try {
    DataSource::open(scenes({}, {{"list", "masks.txt"}}), inputs, whole.path());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::model);  // both a folder and a list
  }
  whole.write("images/a.png", "damaged");
  try {
    DataSource::open(scenes(), inputs, whole.path());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::data);
    EXPECT_EQ(to_string(error.diagnostics()[0].mark), "net.yaml:1:1");
  }
}

std::string error_of_image(const std::string& bytes) {
  Scenes folder;
  folder.write("images/b.png", bytes);
  std::string error = opened(folder);
  std::string start = "E0360: '~/images/b.png': ";
  return error.starts_with(start) ? error.substr(start.size()) : error;
}

TEST(ImagesSource, RefusesDamagedPngs) {
  std::string pixels(12, 'x'), idat = chunk("IDAT", deflated(test::rows(pixels, 6)));
  std::string whole = png(2, 2, 3, pixels), head = ihdr(2, 2, 8, 2), end = chunk("IEND", "");
  EXPECT_EQ(error_of_image(whole), "");
  EXPECT_EQ(error_of_image(""), "this is no PNG file");
  EXPECT_EQ(error_of_image("GIF89a and so on"), "this is no PNG file");
  EXPECT_EQ(error_of_image("\xff\xd8\xff\xe0 and so on"),
            "this is a JPEG file, and only PNG is read");
  auto expect = [&](const std::string& bytes, const std::string& why) {
    EXPECT_EQ(error_of_image(bytes), "this PNG is damaged: " + why);
  };
  expect(signature, "the file ends too early");
  expect(whole.substr(0, 30), "the file ends within a chunk, or a length is damaged");
  expect(whole.substr(0, whole.size() - 12), "the file ends too early");
  expect(whole.substr(0, whole.size() - 20),
         "the file ends within a chunk, or a length is damaged");
  std::string flipped = whole;
  flipped[45] ^= 1;  // among the compressed pixels
  expect(flipped, "a checksum is wrong (" + std::to_string(idat.size() - 12) + " bytes of IDAT)");
  expect(signature + idat + end, "it has no header");
  expect(signature + head + head + idat + end, "it has a chunk that nobody knows (IHDR)");
  expect(signature + head + chunk("CgBI", "") + idat + end,
         "it has a chunk that nobody knows (CgBI)");
  EXPECT_EQ(error_of_image(signature + head + chunk("tEXt", "a note") + idat + end), "");
  expect(signature + head + end, "it has fewer pixels than its header says");
  expect(signature + head + idat + chunk("tEXt", "") + idat + end,
         "its pixels are not in one piece");
  expect(signature + head + chunk("IDAT", "nonsense") + end, "its compressed pixels are damaged");
  expect(signature + head + chunk("IDAT", deflated(test::rows(pixels.substr(6), 6))) + end,
         "it has fewer pixels than its header says");
  expect(signature + head + chunk("IDAT", deflated(std::string(15, '\0'))) + end,
         "it has more pixels than its header says");
  expect(signature + head + chunk("IDAT", deflated(std::string("\7xxxxxx\7xxxxxx"))) + end,
         "invalid filter");
  expect(signature + ihdr(2, 2, 3, 2) + idat + end, "its header is damaged");
  expect(signature + ihdr(2, 2, 8, 2, 2) + idat + end, "its header is damaged");
}

TEST(ImagesSource, TakesNoMemoryForWhatHeadersClaim) {
  std::string end = chunk("IDAT", "") + chunk("IEND", "");
  EXPECT_EQ(error_of_image(signature + ihdr(0, 2, 8, 2) + end),
            "this PNG is damaged: its size is 2x0");
  std::string start = "E0361: '~/images/b.png': its header announces ";
  std::string why =
      " pixels of 3 channels, more than an image may have (sides of 32768, 134217728 values)";
  EXPECT_EQ(error_of_image(signature + ihdr(0xffffffff, 0xffffffff, 8, 2) + end),
            start + "4294967295x4294967295" + why);
  EXPECT_EQ(error_of_image(signature + ihdr(30000, 30000, 8, 2) + end),
            start + "30000x30000" + why);
  // Sixteen million zeros in a few kilobytes, for four pixels: refused as soon as they are too
  // many.
  std::string bomb = chunk("IDAT", deflated(std::string(1 << 24, '\0')));
  EXPECT_EQ(error_of_image(signature + ihdr(2, 2, 8, 2) + bomb + chunk("IEND", "")),
            "this PNG is damaged: it has more pixels than its header says");
}

// Flips, cuts and repeats bytes, and with `mend` sets the checksums right again, so that the
// decoder itself is reached. Whatever happens is an Error of the data, soon.
void mutate(std::string& bytes, uint64_t key) {
  uint64_t at = 0;
  auto below = [&](size_t n) { return size_t(uniform_below(key, at++, n)); };
  for (size_t edits = 1 + below(4); edits > 0 && !bytes.empty(); --edits) {
    size_t place = below(bytes.size());
    switch (below(4)) {
      case 0:
        bytes[place] = char(below(256));
        break;
      case 1:
        bytes[place] = char(bytes[place] ^ (1 << below(8)));
        break;
      case 2:
        bytes.erase(place, 1 + below(8));
        break;
      default:
        bytes.insert(place, bytes.substr(below(bytes.size()), 1 + below(8)));
        break;
    }
  }
}

void mend(std::string& bytes) {
  for (size_t at = 8; at + 12 <= bytes.size();) {
    size_t length = 0;
    for (size_t i = 0; i < 4; ++i) length = length << 8 | uint8_t(bytes[at + i]);
    if (length > bytes.size() - at - 12) return;
    bytes.replace(at, 12 + length, chunk(bytes.substr(at + 4, 4), bytes.substr(at + 8, length)));
    at += 12 + length;
  }
}

void expect_bounded(const std::string& whole, const std::vector<InputDecl>& decls, int trials,
                    bool mended) {
  TempFolder folder;
  auto start = std::chrono::steady_clock::now();
  int good = 0, refused = 0;
  for (int trial = 0; trial < trials; ++trial) {
    std::string bytes = whole;
    mutate(bytes, random_key(7, uint64_t(trial), mended));
    if (mended) mend(bytes);
    folder.write("x.png", bytes);
    try {
      DataSource::open(any_data, decls, folder.path());
      ++good;
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::data) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, trials / 10);
  EXPECT_EQ(good + refused, trials);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(120));
}

TEST(ImagesSource, SurvivesTenThousandMutations) {
  std::string pixels;
  for (int i = 0; i < 64; ++i) pixels += char(i * i);
  std::string whole = png(8, 8, 1, pixels);
  expect_bounded(whole, gray, 5000, false);
  expect_bounded(whole, gray, 5000, true);
}

TEST(ImagesSource, ReportsEveryFaultOfTheDeclaration) {
  std::vector<InputDecl> decls = inputs;
  decls.push_back({"label", {DType::i64, {N}}});
  EXPECT_EQ(
      faults_of(declared("Images", {{"image", Dict{{"file", "x"}, {"mean", Attr::List{1, 2}}}},
                                    {"mask", Dict{{"folder", "masks"}, {"pad", 0.5}}},
                                    {"label", Dict{{"folder", "labels"}}}}),
                decls),
      "net.yaml:1:1: E0332: data source 'Images', input 'image': 'folder' is missing\n"
      "net.yaml:1:1: E0333: data source 'Images', input 'image': 'mean' must be a number, or a "
      "list of 3, one for each channel, not [1, 2]\n"
      "net.yaml:1:1: E0331: data source 'Images', input 'image': unknown key 'file' (here it is "
      "called 'path')\n"
      "net.yaml:1:1: E0333: data source 'Images', input 'mask': 'pad' must be a whole number, not "
      "0.5\n"
      "net.yaml:1:1: E0333: data source 'Images': input 'label' is i64 [N]; images fill [N, "
      "channels, height, width], gray ones [N, height, width] as well\n");
  EXPECT_EQ(faults_of(scenes({{"foldr", "x"}}), inputs),
            "net.yaml:1:1: E0331: data source 'Images', input 'image': unknown key 'foldr' (did "
            "you mean 'folder'?)\n");
  EXPECT_EQ(faults_of(scenes({}, {{"scale", 2}}), inputs),
            "net.yaml:1:1: E0333: data source 'Images': input 'mask' is i64, and only f32 and f64 "
            "can be scaled or drawn\n");
}

}  // namespace
}  // namespace braid
