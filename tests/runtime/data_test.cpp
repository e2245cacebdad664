// Data sources: IDX, .npy and arrays; tables are in csv_test.cpp.
#include <cmath>
#include <cstring>

#include <braid/runtime/data.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "runtime/declared.h"
#include "runtime/temp_folder.h"

namespace braid {
namespace {

using test::declared;
using test::error_of;
using test::faults_of;
using test::filled;
using test::TempFolder;

std::string idx(uint8_t type, const std::vector<uint32_t>& dims, std::string_view data) {
  std::string text = {0, 0, char(type), char(dims.size())};
  for (uint32_t d : dims) {
    for (int shift : {24, 16, 8, 0}) text += char(d >> shift & 0xff);
  }
  return text + std::string(data);
}

std::string gz(const std::string& text) {
  TempFolder folder;
  gzFile file = gzopen((folder / "x").c_str(), "wb");
  gzwrite(file, text.data(), unsigned(text.size()));
  gzclose(file);
  return test::slurp(folder / "x");
}

const std::vector<InputDecl> inputs = {{"image", {DType::f32, {N, 1, 2, 2}}},
                                       {"label", {DType::i64, {N}}}};

TypedDict digits(Dict image = {}, std::string images = "images", std::string labels = "labels") {
  image.insert(image.begin(), {"path", images});
  return declared("Idx", {{"image", image}, {"label", Dict{{"path", labels}}}});
}

void write_digits(const TempFolder& folder) {
  folder.write("images", idx(8, {3, 2, 2}, std::string("\0\1\2\3\4\5\6\7\x80\x81\xfe\xff", 12)));
  folder.write("labels", idx(8, {3}, std::string_view("\5\0\11", 3)));
}

TEST(IdxSource, FillsImagesAndLabels) {
  TempFolder folder;
  write_digits(folder);
  DataSource source = DataSource::open(digits(), inputs, folder.path());
  EXPECT_EQ(source.size(), 3);
  EXPECT_FALSE(source.shuffle());
  EXPECT_TRUE(source.fills(0) && source.fills(1));
  EXPECT_EQ(source.bytes_per_sample(0), 16);
  EXPECT_EQ(filled<float>(source, 0, {2, 0}), (std::vector<float>{128, 129, 254, 255, 0, 1, 2, 3}));
  EXPECT_EQ(filled<int64_t>(source, 1, {2, 1, 0, 0}), (std::vector<int64_t>{9, 0, 5, 5}));
}

TEST(IdxSource, ScalesAsTheLanguageSays) {
  TempFolder folder;
  write_digits(folder);
  Dict image = {{"scale", 1 / 255.0}, {"mean", 0.2860}, {"std", 0.3530}};
  DataSource source = DataSource::open(digits(image), inputs, folder.path());
  EXPECT_EQ(filled<float>(source, 0, {2})[2], float((254 * (1 / 255.0) - 0.2860) / 0.3530));
}

TEST(IdxSource, ReadsGzipAndAbsolutePaths) {
  TempFolder folder, elsewhere;
  write_digits(folder);
  std::string path = elsewhere.write("images.gz", gz(test::slurp(folder / "images")));
  DataSource source = DataSource::open(digits({}, path), inputs, folder.path());
  EXPECT_EQ(filled<float>(source, 0, {1}), (std::vector<float>{4, 5, 6, 7}));
}

TEST(IdxSource, ReadsEveryElementType) {
  TempFolder folder;
  auto values = [&](uint8_t type, std::string_view data) {
    folder.write("x", idx(type, {2, 1}, data));
    std::vector<InputDecl> x = {{"x", {DType::f64, {N, 1}}}};
    auto source = DataSource::open(declared("Idx", {{"x", Dict{{"path", "x"}}}}), x, folder.path());
    return filled<double>(source, 0, {0, 1});
  };
  using V = std::vector<double>;
  EXPECT_EQ(values(0x08, "\1\xff"), (V{1, 255}));
  EXPECT_EQ(values(0x09, "\1\xff"), (V{1, -1}));
  EXPECT_EQ(values(0x0b, std::string_view("\1\0\xff\xfe", 4)), (V{256, -2}));
  EXPECT_EQ(values(0x0c, std::string_view("\0\1\0\0\xff\xff\xff\xfd", 8)), (V{65536, -3}));
  EXPECT_EQ(values(0x0d, std::string_view("\x3f\x80\0\0\xc0\0\0\0", 8)), (V{1, -2}));
  EXPECT_EQ(values(0x0e, std::string_view("\x3f\xf0\0\0\0\0\0\0\xc0\0\0\0\0\0\0\0", 16)),
            (V{1, -2}));
}

std::string error_of_images(const std::string& bytes) {
  TempFolder folder;
  write_digits(folder);
  folder.write("images", bytes);
  return error_of(folder, [&] { DataSource::open(digits(), inputs, folder.path()); });
}

TEST(IdxSource, RefusesDamagedFiles) {
  EXPECT_EQ(error_of_images(""), "E0340: '~/images': this is no IDX file");
  EXPECT_EQ(error_of_images("P5 28 28"), "E0340: '~/images': this is no IDX file");
  EXPECT_EQ(error_of_images(idx(0x0a, {1}, "x")), "E0340: '~/images': this is no IDX file");
  EXPECT_EQ(error_of_images(idx(8, {}, "")), "E0340: '~/images': this is no IDX file");
  EXPECT_EQ(error_of_images(idx(8, {3, 2, 2}, "").substr(0, 10)),
            "E0340: '~/images': the file ends within its header");
}

TEST(IdxSource, RefusesLyingHeaders) {
  EXPECT_EQ(error_of_images(idx(8, {3, 2, 2}, "12345678901")),
            "E0340: '~/images': its header announces 12 bytes of data, but 11 follow");
  EXPECT_EQ(error_of_images(idx(8, {3, 2, 2}, "1234567890123")),
            "E0340: '~/images': its header announces 12 bytes of data, but more follow");
  EXPECT_EQ(error_of_images(idx(8, {60000, 28, 28}, "")),
            "E0340: '~/images': its header announces [60000, 28, 28], more than the file can hold");
  EXPECT_EQ(error_of_images(idx(8, {0xffffffff, 0xffffffff, 2}, "")),
            "E0340: '~/images': its header announces [4294967295, 4294967295, 2], more than the "
            "file can hold");
  EXPECT_EQ(error_of_images(idx(0x0e, {0x80000000, 0x40000000, 4}, "")),
            "E0340: '~/images': its header announces [2147483648, 1073741824, 4], more than the "
            "file can hold");
  EXPECT_EQ(error_of_images(gz(idx(8, {4000000000, 2, 2}, ""))),
            "E0340: '~/images': its header announces [4000000000, 2, 2], more than the file can "
            "hold");
}

TEST(IdxSource, RefusesDamagedGzip) {
  std::string data(40'000, '\0');
  for (size_t i = 0; i < data.size(); ++i) data[i] = char(i * i >> 3);
  std::string whole = gz(idx(8, {10'000, 2, 2}, data));
  std::string truncated = error_of_images(whole.substr(0, whole.size() / 2));
  EXPECT_TRUE(truncated.starts_with("E0340: '~/images': its gzip data are damaged or truncated"))
      << truncated;
  std::string flipped = whole;
  flipped[flipped.size() - 6] ^= 1;  // in the checksum
  std::string damaged = error_of_images(flipped);
  EXPECT_TRUE(damaged.starts_with("E0340: '~/images': its gzip data are damaged or truncated"))
      << damaged;
}

TEST(IdxSource, NamesTheFileAndThePlaceWhereItWasTyped) {
  TempFolder folder;
  write_digits(folder);
  try {
    DataSource::open(digits({}, "missing.gz"), inputs, folder.path());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::data);
    EXPECT_EQ(to_string(error.diagnostics()[0].mark), "net.yaml:1:1");
    EXPECT_EQ(error.diagnostics()[0].message,
              "cannot read '" + folder.path() + "/missing.gz': No such file or directory");
  }
}

TEST(IdxSource, RefusesShapesAndCountsThatDoNotFit) {
  TempFolder folder;
  write_digits(folder);
  std::vector<InputDecl> wide = inputs;
  wide[0].type.shape = {N, 1, 28, 28};
  EXPECT_EQ(error_of(folder, [&] { DataSource::open(digits(), wide, folder.path()); }),
            "E0341: '~/images' cannot fill input 'image': its samples are [2, 2], 4 values, but "
            "f32 [N, 1, 28, 28] has 784 per sample");
  folder.write("labels", idx(8, {2}, "\1\2"));
  EXPECT_EQ(error_of(folder, [&] { DataSource::open(digits(), inputs, folder.path()); }),
            "E0342: '~/labels' has 2 samples, but '~/images' has 3");
  folder.write("images", idx(8, {0, 2, 2}, ""));
  EXPECT_EQ(error_of(folder, [&] { DataSource::open(digits(), inputs, folder.path()); }),
            "E0343: '~/images' cannot fill input 'image': it has no samples");
}

TEST(IdxSource, FindsLabelsOutsideTheClasses) {
  TempFolder folder;
  write_digits(folder);
  DataSource source = DataSource::open(digits(), inputs, folder.path());
  source.check_labels(1, 10);
  EXPECT_EQ(error_of(folder, [&] { source.check_labels(1, 9); }),
            "E0346: '~/labels': label 9 of sample 2 is outside the 9 classes 0 to 8");
  source.check_labels(1, 9, 9);  // ignored
}

TEST(NpySource, ConvertsToTheDeclaredType) {
  TempFolder folder;
  write_npy(folder / "x.npy", Array::of<double>({2, 2}, std::vector<double>{1, 2, 3, 4}));
  write_npy(folder / "y.npy", Array::of<float>({2}, std::vector<float>{7, -8}));
  std::vector<InputDecl> decls = {{"x", {DType::f32, {N, 2}}}, {"y", {DType::i64, {N}}}};
  TypedDict data = declared("Npy", {{"x", Dict{{"path", "x.npy"}, {"scale", 2}, {"mean", 1}}},
                                    {"y", Dict{{"path", "y.npy"}}},
                                    {"shuffle", true}});
  DataSource source = DataSource::open(data, decls, folder.path());
  EXPECT_TRUE(source.shuffle());
  EXPECT_EQ(filled<float>(source, 0, {1, 0}), (std::vector<float>{5, 7, 1, 3}));
  EXPECT_EQ(filled<int64_t>(source, 1, {0, 1}), (std::vector<int64_t>{7, -8}));
  write_npy(folder / "y.npy", Array::of<float>({2}, std::vector<float>{7, 0.5f}));
  EXPECT_EQ(error_of(folder, [&] { DataSource::open(data, decls, folder.path()); }),
            "E0344: '~/y.npy' cannot fill input 'y': the value 0.5 of sample 1 is no i64");
}

TEST(NpySource, RefusesValuesThatDoNotFit) {
  TempFolder folder;
  auto error = [&](DType dtype, const Array& array) {
    write_npy(folder / "x.npy", array);
    std::vector<InputDecl> x = {{"x", {dtype, {N}}}};
    return error_of(folder, [&] {
      DataSource::open(declared("Npy", {{"x", Dict{{"path", "x.npy"}}}}), x, folder.path());
    });
  };
  constexpr std::string_view start = "E0344: '~/x.npy' cannot fill input 'x': ";
  auto f64 = [](double x) { return Array::of<double>({1}, std::vector<double>{x}); };
  auto expect = [&](DType dtype, const Array& array, std::string_view why) {
    EXPECT_EQ(error(dtype, array), why.empty() ? "" : std::string(start).append(why));
  };
  expect(DType::i64, f64(0x1p63), "the value 9.223372036854776e+18 of sample 0 is no i64");
  expect(DType::i64, f64(-0x1p63), "");
  expect(DType::u8, f64(256), "the value 256 of sample 0 is no u8");
  expect(DType::u8, f64(-1), "the value -1 of sample 0 is no u8");
  expect(DType::i32, f64(std::nan("")), "the value nan of sample 0 is no i32");
  expect(DType::f32, f64(1e39), "the value 1e+39 of sample 0 is no f32");
  expect(DType::boolean, Array::of<uint8_t>({3}, std::vector<uint8_t>{0, 1, 3}),
         "the value 3 of sample 2 is no bool");
  expect(DType::boolean, Array::of<uint8_t>({2}, std::vector<uint8_t>{0, 1}), "");
  expect(DType::boolean, f64(2), "the value 2 of sample 0 is no bool");
  expect(DType::i32, Array::of<int64_t>({1}, std::vector<int64_t>{1ll << 31}),
         "the value 2147483648 of sample 0 is no i32");
  expect(DType::f32, {DType::f16, {1}, std::vector<std::byte>(2)},
         "it holds f16; convert it to f32");
  EXPECT_EQ(error(DType::f32, Array::of<float>({}, std::vector<float>{1})),
            "E0341: '~/x.npy' cannot fill input 'x': it holds a single value, no list of samples");
}

TEST(Source, DrawsInputsBySample) {
  TempFolder folder;
  write_digits(folder);
  std::vector<InputDecl> decls = inputs;
  decls.push_back({"z", {DType::f32, {N, 1000}}});
  TypedDict data = digits();
  set(data.params, "z", Dict{{"random", "normal"}});
  DataSource source = DataSource::open(data, decls, folder.path(), 7);
  std::vector<float> all = filled<float>(source, 2, {0, 1, 2});
  std::vector<float> last = filled<float>(source, 2, {2});
  EXPECT_TRUE(std::equal(last.begin(), last.end(), all.begin() + 2000));
  double sum = 0, squares = 0;
  for (float x : all) sum += x, squares += x * x;
  EXPECT_NEAR(sum / 3000, 0, 0.08);
  EXPECT_NEAR(squares / 3000, 1, 0.1);
  EXPECT_NE(filled<float>(DataSource::open(data, decls, folder.path(), 8), 2, {2}), last);
}

TEST(Source, TakesArraysOfTheProgram) {
  std::map<std::string, Array> arrays = {
      {"image", Array::of<float>({2, 4}, std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8})}};
  DataSource source = DataSource::of(arrays, inputs);
  EXPECT_TRUE(source.fills(0));
  EXPECT_FALSE(source.fills(1));
  EXPECT_EQ(filled<float>(source, 0, {1}), (std::vector<float>{5, 6, 7, 8}));
  TempFolder folder;
  EXPECT_EQ(error_of(folder,
                     [&] {
                       DataSource::of({{"imag", arrays.at("image")}}, inputs);
                     }),
            "E0331: no input is named 'imag' (did you mean 'image'?)");
}

TEST(Source, ReportsEveryFaultOfTheDeclaration) {
  EXPECT_EQ(faults_of(declared("idx"), inputs),
            "net.yaml:1:1: E0330: unknown type of data source 'idx' (did you mean 'Idx'?)\n");
  EXPECT_EQ(
      faults_of(declared("Idx", {{"imag", Dict{{"path", "x"}}},
                                 {"label", Dict{{"pth", "x"}, {"scale", "big"}}},
                                 {"shuffle", 1}}),
                inputs),
      "net.yaml:1:1: E0333: data source 'Idx': 'shuffle' must be true or false, not 1\n"
      "net.yaml:1:1: E0332: data source 'Idx', input 'label': 'path' is missing\n"
      "net.yaml:1:1: E0333: data source 'Idx', input 'label': 'scale' must be a number, not big\n"
      "net.yaml:1:1: E0331: data source 'Idx', input 'label': unknown key 'pth' (did you mean "
      "'path'?)\n"
      "net.yaml:1:1: E0331: data source 'Idx': unknown key 'imag' (did you mean 'image'?)\n");
  EXPECT_EQ(faults_of(digits({{"std", 0}}), inputs),
            "net.yaml:1:1: E0333: data source 'Idx', input 'image': 'std' must be a number other "
            "than 0, not 0\n");
  EXPECT_EQ(faults_of(declared("Idx", {{"label", Dict{{"path", "x"}, {"scale", 2}}}}), inputs),
            "net.yaml:1:1: E0333: data source 'Idx': input 'label' is i64, and only f32 and f64 "
            "can be scaled or drawn\n");
  EXPECT_EQ(faults_of(declared("Npy", {{"image", Dict{{"random", "gauss"}}}}), inputs),
            "net.yaml:1:1: E0333: data source 'Npy', input 'image': 'random' must be normal or "
            "uniform, not gauss\n");
  EXPECT_EQ(faults_of(declared("Npy", {{"image", Dict{{"random", "normal"}}}}), inputs),
            "net.yaml:1:1: E0332: data source 'Npy': no input is read from a file\n");
  EXPECT_EQ(faults_of(declared("Npy", {{"image", "x.npy"}}), inputs),
            "net.yaml:1:1: E0333: data source 'Npy': 'image' must be a dictionary that says how "
            "the input is filled, not x.npy\n");
  TempFolder folder;
  EXPECT_EQ(test::fault_of([&] { DataSource::open(declared("idx"), inputs, folder.path()); }),
            Fault::model);
}

}  // namespace
}  // namespace braid
