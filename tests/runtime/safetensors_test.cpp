#include <cstring>

#include <braid/runtime/safetensors.h>
#include <gtest/gtest.h>

#include "runtime/temp_folder.h"

namespace braid {
namespace {

using test::error_of;
using test::slurp;
using test::TempFolder;

std::string with_length(uint64_t length, std::string_view rest) {
  std::string text(8, '\0');
  std::memcpy(text.data(), &length, 8);
  return text + std::string(rest);
}

/// A file of this header and `data` bytes of data.
std::string file_of(std::string_view header, size_t data) {
  return with_length(header.size(), std::string(header) + std::string(data, '\0'));
}

std::string error_of_file(std::string_view bytes) {
  TempFolder folder;
  std::string path = folder.write("w.safetensors", bytes);
  std::string listed = error_of(folder, [&] { list_safetensors(path); });
  std::string read = error_of(folder, [&] { read_safetensors(path); });
  EXPECT_EQ(listed, read);
  constexpr std::string_view start = "E0311: '~/w.safetensors' is no valid safetensors file: ";
  return read.starts_with(start) ? read.substr(start.size()) : read;
}

std::string error_of_header(std::string_view header, size_t data = 0) {
  return error_of_file(file_of(header, data));
}

std::string object(const std::string& content) {
  std::string text(1, '{');
  return text.append(content).append("}");
}

TensorFile example() {
  TensorFile file;
  file.tensors["fc.weight"] = Array::of<float>({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  file.tensors["bn.num_batches_tracked"] = Array::of<int64_t>({}, std::vector<int64_t>{9});
  file.tensors["mask"] = Array::of<uint8_t>({3}, std::vector<uint8_t>{1, 2, 3});
  file.tensors["empty"] = Array::zeros(DType::f64, {0, 4});
  file.tensors["half"] = {DType::bf16, {1}, std::vector<std::byte>(2)};
  file.tensors["flag"] = {DType::boolean, {2}, {std::byte{1}, std::byte{0}}};
  file.metadata = {{"format", "pt"}, {"schön", "\"quoted\"\n"}};
  return file;
}

TEST(Safetensors, KeepsEverything) {
  TempFolder folder;
  TensorFile file = example();
  write_safetensors(folder / "w", file);
  EXPECT_EQ(read_safetensors(folder / "w"), file);
  write_safetensors(folder / "empty", {});
  EXPECT_EQ(read_safetensors(folder / "empty"), TensorFile{});
}

TEST(Safetensors, WritesTheBytesOfTheFormat) {
  TempFolder folder;
  TensorFile file;
  file.tensors["b"] = Array::of<float>({1}, std::vector<float>{1});
  file.tensors["a"] = Array::of<uint8_t>({1}, std::vector<uint8_t>{7});
  file.metadata["k"] = "v";
  std::string sha = write_safetensors(folder / "w", file);
  // The wider elements first; header keys sorted; the header padded to a multiple of 8.
  std::string header = R"({"__metadata__":{"k":"v"},)"
                       R"("a":{"data_offsets":[4,5],"dtype":"U8","shape":[1]},)"
                       R"("b":{"data_offsets":[0,4],"dtype":"F32","shape":[1]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string expected = with_length(header.size(), header) + std::string("\0\0\x80\x3f\x07", 5);
  EXPECT_EQ(slurp(folder / "w"), expected);
  EXPECT_EQ(sha, "68c668445c275c7914e38b1568d633a49a70ee2a6fb4c8faef3441ed877ddf95");
}

TEST(Safetensors, EqualContentsGiveEqualBytes) {
  TempFolder folder;
  std::string first = write_safetensors(folder / "a", example());
  EXPECT_EQ(write_safetensors(folder / "b", read_safetensors(folder / "a")), first);
  EXPECT_EQ(slurp(folder / "a"), slurp(folder / "b"));
  EXPECT_EQ(first.size(), 64u);
}

TEST(Safetensors, ReadsAndWritesTheSamePath) {
  TempFolder folder;
  write_safetensors(folder / "a", example());
  TensorFile file = read_safetensors(folder / "a");
  file.metadata["more"] = "x";
  write_safetensors(folder / "a", file);
  EXPECT_EQ(read_safetensors(folder / "a"), file);
}

TEST(Safetensors, ListsWithoutReadingData) {
  TempFolder folder;
  write_safetensors(folder / "a", example());
  TensorListing listing = list_safetensors(folder / "a");
  ASSERT_EQ(listing.tensors.size(), 6u);
  EXPECT_EQ(listing.tensors[1].name, "empty");
  EXPECT_EQ(listing.tensors[0].name, "bn.num_batches_tracked");
  EXPECT_EQ(listing.tensors[2].name, "fc.weight");
  EXPECT_EQ(listing.tensors[2].dims, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(listing.tensors[2].end - listing.tensors[2].begin, 24);
  EXPECT_EQ(listing.metadata.at("format"), "pt");
}

TEST(Safetensors, ReadsDataInAnyOrderOfTheHeader) {
  TempFolder folder;
  std::string path =
      folder.write("w", file_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},)"
                                R"("b":{"shape":[1],"data_offsets":[0,1],"dtype":"U8"},)"
                                R"("z":{"shape":[0],"data_offsets":[1,1],"dtype":"F32"}}   )",
                                0) +
                            "\x05\x06");
  TensorFile file = read_safetensors(path);
  EXPECT_EQ(file.tensors.at("a").as<uint8_t>()[0], 6);
  EXPECT_EQ(file.tensors.at("b").as<uint8_t>()[0], 5);
  EXPECT_EQ(file.tensors.at("z").elements(), 0);
}

TEST(Safetensors, RefusesBadLengths) {
  EXPECT_EQ(error_of_file(""), "it has 0 bytes");
  EXPECT_EQ(error_of_file("1234567"), "it has 7 bytes");
  EXPECT_EQ(error_of_file(with_length(100'000'001, "{}")),
            "its header would have 100000001 bytes, more than 100 MB");
  EXPECT_EQ(error_of_file(with_length(UINT64_MAX, "{}")),
            "its header would have 18446744073709551615 bytes, more than 100 MB");
  EXPECT_EQ(error_of_file(with_length(UINT64_MAX - 4, "{}")),
            "its header would have 18446744073709551611 bytes, more than 100 MB");
  EXPECT_EQ(error_of_file(with_length(3, "{}")), "its header would have 3 bytes, the file has 10");
  EXPECT_EQ(error_of_file(with_length(0, "")), "its header does not begin with '{'");
}

TEST(Safetensors, RefusesWhatIsNoJsonObject) {
  EXPECT_EQ(error_of_header("[]"), "its header does not begin with '{'");
  EXPECT_EQ(error_of_header(" {}"), "its header does not begin with '{'");
  EXPECT_EQ(error_of_header(std::string_view("{}\0junk", 7)), "its header holds a zero byte");
  for (const char* text : {"{", "{} x", "{}{}", "{\"a\xff\":1}", "{'a':1}", "{\"a\":}", "{,}",
                           "{\"a\":NaN}", "{}\xff"}) {
    EXPECT_TRUE(error_of_header(text).starts_with("its header is no valid JSON: ")) << text;
  }
}

TEST(Safetensors, RefusesFieldsOfTheWrongKind) {
  EXPECT_EQ(error_of_header(R"({"a":1})"), "'a' may not be a number");
  EXPECT_EQ(error_of_header(R"({"a":null})"), "'a' may not be null");
  EXPECT_EQ(error_of_header(R"({"a":"x"})"), "'a' may not be a text");
  EXPECT_EQ(error_of_header(R"({"a":[]})"), "'a' may not be a list");
  EXPECT_EQ(error_of_header(R"({"a":{"dtype":1}})"), "'dtype' of tensor 'a' may not be a number");
  EXPECT_EQ(error_of_header(R"({"a":{"shape":[-1]}})"),
            "'shape' of tensor 'a' may not be a negative number");
  EXPECT_EQ(error_of_header(R"({"a":{"shape":[1.0]}})"),
            "'shape' of tensor 'a' may not be a fraction");
  EXPECT_EQ(error_of_header(R"({"a":{"shape":[1e99]}})"),
            "'shape' of tensor 'a' may not be a fraction");
  EXPECT_EQ(error_of_header(R"({"a":{"shape":[[1]]}})"), "'shape' of tensor 'a' may not be a list");
  EXPECT_EQ(error_of_header(R"({"a":{"data_offsets":["0",1]}})"),
            "'data_offsets' of tensor 'a' may not be a text");
  EXPECT_EQ(error_of_header(R"({"a":{"data_offsets":[99999999999999999999,1]}})"),
            "'data_offsets' of tensor 'a' may not be a fraction");
  EXPECT_EQ(error_of_header(R"({"a":{"extra":1}})"), "tensor 'a' has an unknown field 'extra'");
  EXPECT_EQ(error_of_header(R"({"__metadata__":{"a":1}})"), "metadata 'a' may not be a number");
  EXPECT_EQ(error_of_header(R"({"__metadata__":{"a":{}}})"), "metadata 'a' may not be an object");
  EXPECT_EQ(error_of_header(R"({"__metadata__":[]})"), "'__metadata__' may not be a list");
}

TEST(Safetensors, RefusesMissingFields) {
  EXPECT_EQ(error_of_header(R"({"a":{}})"), "tensor 'a' has no 'dtype'");
  EXPECT_EQ(error_of_header(R"({"a":{"dtype":"F32"}})"), "tensor 'a' has no 'shape'");
  EXPECT_EQ(error_of_header(R"({"a":{"dtype":"F32","shape":[]}})"),
            "tensor 'a' has no 'data_offsets'");
  EXPECT_EQ(error_of_header(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0]}})"),
            "'data_offsets' of tensor 'a' are 1 numbers, not 2");
}

TEST(Safetensors, RefusesDuplicates) {
  constexpr const char* one = R"("dtype":"U8","shape":[1],"data_offsets")";
  std::string a0 = std::string(R"("a":{)") + one + ":[0,1]}";
  std::string a1 = std::string(R"("a":{)") + one + ":[1,2]}";
  EXPECT_EQ(error_of_header(object(a0 + "," + a1), 2), "'a' appears twice");
  EXPECT_EQ(error_of_header(object(a0 + "," + a0), 1), "'a' appears twice");
  EXPECT_EQ(error_of_header(R"({"a":{"dtype":"U8","dtype":"U8"}})"),
            "'dtype' of tensor 'a' appears twice");
  EXPECT_EQ(error_of_header(R"({"__metadata__":{"k":"1","k":"2"}})"), "metadata 'k' appears twice");
  EXPECT_EQ(error_of_header(R"({"__metadata__":{},"__metadata__":{}})"),
            "'__metadata__' appears twice");
}

std::string tensor(std::string_view name, std::string_view shape, std::string_view offsets,
                   std::string_view dtype = "F32") {
  std::ostringstream text;
  text << '"' << name << R"(":{"dtype":")" << dtype << R"(","shape":[)" << shape
       << R"(],"data_offsets":[)" << offsets << "]}";
  return text.str();
}

TEST(Safetensors, RefusesLyingOffsets) {
  EXPECT_EQ(error_of_header(object(tensor("a", "1", "4,0")), 4),
            "tensor 'a' ends at 0, before it begins at 4");
  EXPECT_EQ(error_of_header(object(tensor("a", "1", "4,8")), 8),
            "the data of tensor 'a' begin at 4, not at 0 where the tensor before it ends: the data "
            "have a gap");
  EXPECT_EQ(error_of_header(object(tensor("a", "2", "0,8") + "," + tensor("b", "2", "4,12")), 12),
            "the data of tensor 'b' begin at 4, not at 8 where the tensor before it ends: the data "
            "have an overlap");
  EXPECT_EQ(error_of_header(object(tensor("a", "1", "0,4") + "," + tensor("b", "1", "8,12")), 12),
            "the data of tensor 'b' begin at 8, not at 4 where the tensor before it ends: the data "
            "have a gap");
  EXPECT_EQ(error_of_header(object(tensor("a", "1", "0,4")), 5),
            "its tensors need 4 bytes, but 5 follow the header: it is too long");
  EXPECT_EQ(error_of_header(object(tensor("a", "2", "0,8")), 7),
            "its tensors need 8 bytes, but 7 follow the header: it is truncated");
  EXPECT_EQ(error_of_header("{}", 1),
            "its tensors need 0 bytes, but 1 follow the header: it is too long");
  EXPECT_EQ(error_of_header(object(tensor("a", "1", "0,18446744073709551615")), 4),
            "tensor 'a' has a number above 2^63");
}

TEST(Safetensors, RefusesShapesThatDoNotFit) {
  EXPECT_EQ(error_of_header(object(tensor("a", "3", "0,8")), 8),
            "tensor 'a' f32 [3] needs 12 bytes, but its offsets span 8");
  EXPECT_EQ(error_of_header(object(tensor("a", "4294967296,4294967296", "0,4")), 4),
            "tensor 'a' f32 [4294967296, 4294967296] needs more than 2^63 bytes, but its offsets "
            "span 4");
  EXPECT_EQ(error_of_header(object(tensor("a", "4611686018427387905", "0,4")), 4),
            "tensor 'a' f32 [4611686018427387905] needs more than 2^63 bytes, but its offsets span "
            "4");
  // 40 TB announced by a header of a hundred bytes: refused before any memory is taken.
  EXPECT_EQ(error_of_header(object(tensor("a", "10000000000000", "0,40000000000000")), 4),
            "its tensors need 40000000000000 bytes, but 4 follow the header: it is truncated");
}

TEST(Safetensors, NamesDtypesThatBraidLacks) {
  EXPECT_EQ(error_of_header(object(tensor("a", "1", "0,1", "F8_E4M3")), 1),
            "E0312: '~/w.safetensors' is no valid safetensors file: tensor 'a' has dtype F8_E4M3, "
            "which is not supported (F64 F32 F16 BF16 I64 I32 U8 BOOL are)");
  EXPECT_EQ(error_of_file(file_of(object(tensor("a", "1", "0,1", "nonsense\\n")), 1)),
            "E0312: '~/w.safetensors' is no valid safetensors file: tensor 'a' has dtype "
            "nonsense?, which is not supported (F64 F32 F16 BF16 I64 I32 U8 BOOL are)");
}

TEST(Safetensors, BoundsNestingAndTheNumberOfTensors) {
  std::string deep = "{\"a\":";
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  EXPECT_EQ(error_of_header(deep), "tensor 'a' has an unknown field 'a'");
  std::string many;
  for (int i = 0; i <= 100'000; ++i) {
    if (i > 0) many += ',';
    many += tensor(std::to_string(i), "0", "0,0");
  }
  EXPECT_EQ(error_of_header(object(many)), "it has more than 100000 tensors");
}

TEST(Safetensors, RefusesBoolsThatAreNone) {
  TempFolder folder;
  std::string path =
      folder.write("w", file_of(object(tensor("a", "1", "0,1", "BOOL")), 0) + "\x02");
  EXPECT_EQ(error_of(folder, [&] { read_safetensors(path); }),
            "E0311: '~/w' is no valid safetensors file: tensor 'a' holds bools other than 0 and 1");
}

TEST(Safetensors, SaysHowToConvertAPickle) {
  std::string zip = std::string("PK\x03\x04\x00\x00\x08\x08\x00\x00", 10);
  EXPECT_EQ(error_of_file(zip),
            "E0310: '~/w.safetensors' is a zip archive, as torch.save writes them, not a "
            "safetensors file");
  EXPECT_EQ(error_of_file("\x80\x02}q."),
            "E0310: '~/w.safetensors' is a Python pickle, as torch.save writes them, not a "
            "safetensors file");
  TempFolder folder;
  std::string path = folder.write("model.pt", zip);
  try {
    read_safetensors(path);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::data);
    EXPECT_NE(error.diagnostics()[0].helps.find("save_file(torch.load("), std::string::npos);
  }
}

TEST(Safetensors, EveryTruncationIsRefused) {
  TempFolder folder;
  write_safetensors(folder / "whole", example());
  std::string whole = slurp(folder / "whole");
  for (size_t size = 0; size < whole.size(); ++size) {
    std::string path = folder.write("part", whole.substr(0, size));
    EXPECT_EQ(test::fault_of([&] { read_safetensors(path); }), Fault::data) << size;
  }
}

TEST(Safetensors, NoFlippedBitCrashesTheReader) {
  TempFolder folder;
  write_safetensors(folder / "whole", example());
  std::string whole = slurp(folder / "whole");
  int refused = 0;
  for (size_t bit = 0; bit < whole.size() * 8; bit += 7) {
    std::string flipped = whole;
    flipped[bit / 8] = char(flipped[bit / 8] ^ (1 << bit % 8));
    std::string path = folder.write("flipped", flipped);
    try {
      read_safetensors(path);
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::data);
      ++refused;
    }
  }
  EXPECT_GT(refused, int(whole.size()) / 7);
}

TEST(Safetensors, TheWriterRefusesWhatTheFormatCannotHold) {
  TempFolder folder;
  auto error = [&](TensorFile file) {
    return error_of(folder, [&] { write_safetensors(folder / "w", file); });
  };
  EXPECT_EQ(error({.tensors = {{"__metadata__", Array::zeros(DType::f32, {})}}}),
            "E0313: a tensor may not be named '__metadata__'");
  EXPECT_EQ(error({.tensors = {{"a", {DType::f32, {2}, {}}}}}),
            "E0313: tensor 'a': f32 [2] does not fit its 0 bytes");
  EXPECT_EQ(error({.metadata = {{"k", "\xff"}}}),
            "E0313: a name or a metadata text is no valid UTF-8");
  EXPECT_FALSE(std::filesystem::exists(folder / "w"));
}

}  // namespace
}  // namespace braid
