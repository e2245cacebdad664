// What the fuzzer has found before, and seconds of changes to it: whoever has no libFuzzer has
// this.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "fuzz/network.h"

namespace braid::fuzz {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Texts to begin with, in an order that does not depend on the file system.
std::vector<std::string> texts() {
  std::vector<fs::path> files;
  const fs::path root = BRAID_SOURCE_DIR;
  for (auto folder : {"tests/fuzz/corpus", "tests/dsl/cases", "tests/compiler/cases", "examples"})
    for (auto& entry : fs::recursive_directory_iterator(root / folder))
      if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  std::ranges::sort(files);
  std::vector<std::string> all;
  for (auto& file : files) all.push_back(read(file));
  return all;
}

/// The words between quotes of a dictionary for libFuzzer.
std::vector<std::string> words() {
  std::vector<std::string> all;
  std::ifstream in(fs::path(BRAID_SOURCE_DIR) / "tests/fuzz/network.dict");
  for (std::string line; std::getline(in, line);) {
    const auto from = line.find('"'), to = line.rfind('"');
    if (line[0] == '#' || from == line.npos || to <= from) continue;
    std::string word;
    for (size_t i = from + 1; i < to; ++i) {
      if (line[i] != '\\') {
        word += line[i];
      } else if (line[i + 1] == 'x') {
        word += char(std::stoi(line.substr(i + 2, 2), nullptr, 16));
        i += 3;
      } else {
        word += line[++i];
      }
    }
    all.push_back(word);
  }
  return all;
}

class Changes {
 public:
  Changes(std::vector<std::string> texts, std::vector<std::string> words, uint64_t seed)
      : texts_(std::move(texts)), words_(std::move(words)), random_(seed) {}

  std::string next() {
    std::string text = texts_[below(texts_.size())];
    for (size_t times = 1 + below(4); times > 0; --times) change(text);
    return text;
  }

 private:
  size_t below(size_t n) { return n == 0 ? 0 : size_t(random_() % n); }

  void change(std::string& text) {
    const size_t at = below(text.size() + 1), length = std::min(below(40), text.size() - at);
    switch (below(7)) {
      case 0:
        text.erase(at, length);
        break;
      case 1:
        text.insert(at, text.substr(at, length));
        break;
      case 2:
        text.insert(at, words_[below(words_.size())]);
        break;
      case 3:
        text.replace(at, length, words_[below(words_.size())]);
        break;
      case 4:
        if (at < text.size()) text[at] = char(random_());
        break;
      case 5: {  // a piece of another one
        const std::string& other = texts_[below(texts_.size())];
        const size_t from = below(other.size());
        text.insert(at, other.substr(from, below(200)));
        break;
      }
      default: {  // a line that moves
        const size_t begin = text.rfind('\n', at), end = text.find('\n', at);
        if (begin == text.npos || end == text.npos || begin == end) break;
        const std::string line = text.substr(begin, end - begin);
        text.erase(begin, line.size());
        text.insert(std::min(text.find('\n', below(text.size() + 1)), text.size()), line);
      }
    }
  }

  std::vector<std::string> texts_, words_;
  std::mt19937_64 random_;
};

TEST(Fuzz, WhatHasBeenFoundStaysMended) {
  for (auto& text : texts()) try_network(text);
}

TEST(Fuzz, SecondsOfChangesBreakNothing) {
  const char* given = std::getenv("BRAID_FUZZ_SECONDS");
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::seconds(given ? atoi(given) : 20);
  Changes changes(texts(), words(), 1);
  size_t count = 0;
  for (; std::chrono::steady_clock::now() < end; ++count) {
    const std::string text = changes.next();
    SCOPED_TRACE(text);
    try_network(text);
  }
  std::printf("%zu texts\n", count);
  EXPECT_GT(count, 20u);
}

}  // namespace
}  // namespace braid::fuzz
