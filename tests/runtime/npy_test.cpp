#include <braid/runtime/array.h>
#include <gtest/gtest.h>

#include "runtime/temp_folder.h"

namespace braid {
namespace {

using test::error_of;
using test::slurp;
using test::TempFolder;

/// A version 1 file with this dictionary and these data.
std::string npy(std::string_view dictionary, std::string_view data, char version = 1) {
  std::string text = "\x93NUMPY";
  text += {version, 0, char(dictionary.size() & 0xff), char(dictionary.size() >> 8)};
  if (version > 1) text += {0, 0};
  return text + std::string(dictionary) + std::string(data);
}

std::string error_of_file(std::string_view bytes) {
  TempFolder folder;
  std::string path = folder.write("a.npy", bytes);
  return error_of(folder, [&] { read_npy(path); });
}

template <class T>
void expect_round_trip(const std::vector<T>& values, std::vector<int64_t> dims) {
  TempFolder folder;
  Array array = Array::of<T>(std::move(dims), values);
  write_npy(folder / "a.npy", array);
  EXPECT_EQ(read_npy(folder / "a.npy"), array) << to_string(array);
}

TEST(Npy, KeepsEveryTypeAndShape) {
  expect_round_trip<float>({1, -2, 3.5f, 0, 1e-40f, 6}, {2, 3});
  expect_round_trip<double>({1e300}, {});
  expect_round_trip<int64_t>({INT64_MIN, INT64_MAX}, {2});
  expect_round_trip<int32_t>({1, 2, 3, 4, 5, 6, 7, 8}, {2, 2, 2});
  expect_round_trip<uint8_t>({}, {0, 7});
  Array half{DType::f16, {2}, std::vector<std::byte>(4, std::byte{0x3c})};
  TempFolder folder;
  write_npy(folder / "h.npy", half);
  EXPECT_EQ(read_npy(folder / "h.npy"), half);
}

TEST(Npy, WritesWhatNumPyWrites) {
  TempFolder folder;
  write_npy(folder / "a.npy", Array::of<uint8_t>({3}, std::vector<uint8_t>{1, 2, 3}));
  std::string head = "\x93NUMPY";
  head += {1, 0, 118, 0};
  head += "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }";
  std::string text = slurp(folder / "a.npy");
  EXPECT_EQ(text.substr(0, head.size()), head);
  EXPECT_EQ(text.size(), 128u + 3);
  EXPECT_EQ(text[127], '\n');
  EXPECT_EQ(text.substr(128), "\x01\x02\x03");
}

TEST(Npy, ReadsHeadersOfVersions2And3) {
  for (char version : {2, 3}) {
    TempFolder folder;
    std::string path =
        folder.write("a.npy", npy("{\"descr\": '<i4', 'shape': (1, 1), 'fortran_order': False}",
                                  std::string("\x05\0\0\0", 4), version));
    Array array = read_npy(path);
    EXPECT_EQ(array.dims, (std::vector<int64_t>{1, 1}));
    EXPECT_EQ(array.as<int32_t>()[0], 5);
  }
}

TEST(Npy, RefusesDamagedFiles) {
  constexpr const char* good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
  EXPECT_EQ(error_of_file(""), "E0305: '~/a.npy': this is no .npy file");
  EXPECT_EQ(error_of_file("\x93NUMPY\x01"), "E0305: '~/a.npy': this is no .npy file");
  EXPECT_EQ(error_of_file(npy(good, "12345678", 4)),
            "E0305: '~/a.npy': version 4 of the .npy format is not known");
  EXPECT_EQ(error_of_file(npy(good, "1234567")),
            "E0305: '~/a.npy': its header announces f32 [2], 8 bytes, but 7 follow");
  EXPECT_EQ(error_of_file(npy(good, "123456789")),
            "E0305: '~/a.npy': its header announces f32 [2], 8 bytes, but 9 follow");
  EXPECT_EQ(error_of_file(npy("{'descr': '<f4', 'fortran_order': False, "
                              "'shape': (4611686018427387904, 4), }",
                              "")),
            "E0305: '~/a.npy': its header announces f32 [4611686018427387904, 4], more than 2^63 "
            "bytes, but 0 follow");
  EXPECT_EQ(error_of_file(npy("{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }", "\1\2")),
            "E0305: '~/a.npy': it holds bools other than 0 and 1");
}

TEST(Npy, RefusesAHeaderLongerThanTheFile) {
  std::string version1 = std::string("\x93NUMPY\x01\0\xff\xff{}", 12);
  std::string version2 = std::string("\x93NUMPY\x02\0\xff\xff\xff\xff{}", 14);
  for (const std::string& text : {version1, version2}) {
    EXPECT_EQ(error_of_file(text),
              "E0305: '~/a.npy': its header is longer than the file, or than 1 MiB");
  }
}

TEST(Npy, RefusesDictionariesThatNumPyWouldNotWrite) {
  for (const char* text :
       {"", "{", "{}", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1.5,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} junk",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}",
        "{'descr: '<f4', 'fortran_order': False, 'shape': (1,)"}) {
    EXPECT_EQ(error_of_file(npy(text, "1234")), "E0305: '~/a.npy': its header is damaged") << text;
  }
}

TEST(Npy, SaysWhichKindsItDoesNotRead) {
  EXPECT_EQ(error_of_file(npy("{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", "1234")),
            "E0306: '~/a.npy': elements of type '>f4' are not supported");
  EXPECT_EQ(error_of_file(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1,)}", "1234")),
            "E0306: '~/a.npy': its order is Fortran's");
  EXPECT_EQ(error_of_file(npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "1234")),
            "E0306: '~/a.npy': elements of type '|O' are not supported");
}

TEST(Npy, NamesMissingFilesAndFolders) {
  TempFolder folder;
  EXPECT_EQ(error_of(folder, [&] { read_npy(folder / "no.npy"); }),
            "E0301: cannot read '~/no.npy': No such file or directory");
  EXPECT_EQ(error_of(folder, [&] { read_npy(folder.path()); }),
            "E0302: cannot read '~': it is a folder");
  EXPECT_EQ(error_of(folder, [] { read_npy("/dev/zero"); }),
            "E0302: cannot read '/dev/zero': it is no regular file");
}

TEST(Array, GuardsItsViews) {
  Array array = Array::zeros(DType::i64, {2});
  EXPECT_EQ(test::fault_of([&] { array.as<float>(); }), Fault::usage);
  EXPECT_EQ(test::fault_of([] { Array::zeros(DType::f32, {-1}); }), Fault::usage);
  EXPECT_EQ(test::fault_of([] { Array::of<float>({3}, std::vector<float>{1}); }), Fault::usage);
  EXPECT_EQ(bytes_of(DType::f32, std::vector<int64_t>{INT64_MAX, 2}), std::nullopt);
}

}  // namespace
}  // namespace braid
