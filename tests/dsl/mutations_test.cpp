// One line of an example is dropped, doubled, renamed, indented otherwise or given a value of
// another kind. What is said then has to name that line, or one that needed it, in words that help.
//
// 500 mutations, or as many as BRAID_MUTATIONS says: ./test --full makes 5,000.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include <braid/compiler/compile.h>
#include <braid/dsl/read.h>
#include <braid/nodes/builtin.h>

#include "support/golden.h"

namespace braid::test {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;
using Random = std::mt19937;

struct Example {
  std::string path;
  Lines lines;
};

std::vector<Example> examples() {
  std::vector<Example> all;
  for (auto& entry : fs::recursive_directory_iterator(fs::path(BRAID_SOURCE_DIR) / "examples")) {
    // A file of blocks is no network: it is read where a network includes it.
    const bool blocks = entry.path().parent_path().filename() == "blocks";
    if (entry.path().extension() != ".yaml" || blocks) continue;
    Example example{entry.path().string(), {}};
    std::istringstream text(slurp(entry.path()));
    bool plugins = false;  // what such a file loads is not there
    for (std::string line; std::getline(text, line);) {
      plugins |= line.starts_with("plugins:");
      example.lines.push_back(line);
    }
    if (plugins) continue;
    all.push_back(std::move(example));
  }
  std::ranges::sort(all, {}, &Example::path);
  return all;
}

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool is_part(char c) { return is_letter(c) || std::isdigit(static_cast<unsigned char>(c)); }

/// The words of a line, comments left out: [begin, end).
std::vector<std::pair<size_t, size_t>> words(const std::string& line) {
  std::vector<std::pair<size_t, size_t>> found;
  size_t end = std::min(line.find(" #"), line.size());
  for (size_t at = 0; at < end; ++at) {
    if (!is_letter(line[at]) || (at > 0 && is_part(line[at - 1]))) continue;
    size_t stop = at;
    while (stop < end && is_part(line[stop])) ++stop;
    found.emplace_back(at, stop);
    at = stop;
  }
  return found;
}

/// Values behind `: `, up to the next comma, bracket or end.
std::vector<std::pair<size_t, size_t>> values(const std::string& line) {
  std::vector<std::pair<size_t, size_t>> found;
  size_t end = std::min(line.find(" #"), line.size());
  for (size_t at = 0; (at = line.find(": ", at)) < end;) {
    at += 2;
    if (std::string_view("[{$\"'|>").find(line[at]) != std::string_view::npos) continue;
    size_t stop = std::min(line.find_first_of(",}]", at), end);
    if (stop > at) found.emplace_back(at, stop);
  }
  return found;
}

struct Mutation {
  std::string kind;
  size_t line;  ///< of the mutated text, from 0
  std::string before;
};

/// A letter more, less or another one: what a typing error makes of a word.
std::string misspelt(std::string word, Random& random) {
  size_t at = random() % word.size();
  switch (random() % 3) {
    case 0:
      return word.erase(at, 1);
    case 1:
      return word.insert(at, 1, word[at]);
    default:
      word[at] = word[at] == 'q' ? 'z' : 'q';
      return word;
  }
}

bool retab(std::string& line, Random& random) {
  size_t indent = line.find_first_not_of(' ');
  if (indent == 0) return line.insert(0, 1 + random() % 2, ' '), true;
  switch (random() % 3) {
    case 0:
      line.replace(0, indent, "\t");
      break;
    case 1:
      line.insert(0, 1 + random() % 2, ' ');
      break;
    default:
      line.erase(0, 1 + random() % indent);
  }
  return true;
}

bool retype(std::string& line, Random& random) {
  static constexpr std::array kinds = {"word", "7",  "true", "[1, 2]", "{a: 1}", "0.5", "'7'",
                                       "yes",  "-1", "~",    "010",    "1e400",  "0"};
  auto all = values(line);
  if (all.empty()) return false;
  auto [begin, end] = all[random() % all.size()];
  const std::string fresh = kinds[random() % kinds.size()];
  if (line.substr(begin, end - begin) == fresh) return false;
  line.replace(begin, end - begin, fresh);
  return true;
}

bool rename(std::string& line, Random& random) {
  auto all = words(line);
  if (all.empty()) return false;
  auto [begin, end] = all[random() % all.size()];
  line.replace(begin, end - begin, misspelt(line.substr(begin, end - begin), random));
  return true;
}

std::optional<Mutation> mutate(Lines& lines, Random& random) {
  size_t at = random() % lines.size();
  std::string& line = lines[at];
  size_t first = line.find_first_not_of(' ');
  if (first == std::string::npos || line[first] == '#') return {};
  Mutation made{"", at, line};
  switch (random() % 5) {
    case 0:
      lines.erase(lines.begin() + std::ptrdiff_t(at));
      made.kind = "drop";
      return made;
    case 1:
      lines.insert(lines.begin() + std::ptrdiff_t(at), std::string(line));
      made.kind = "duplicate";
      return made;
    case 2:
      made.kind = "rename";
      return rename(line, random) ? std::optional(made) : std::nullopt;
    case 3:
      made.kind = "retab";
      return retab(line, random) ? std::optional(made) : std::nullopt;
    default:
      made.kind = "retype";
      return retype(line, random) ? std::optional(made) : std::nullopt;
  }
}

std::set<std::string> word_set(const std::string& text) {
  std::set<std::string> all;
  for (auto [begin, end] : words(text)) all.insert(text.substr(begin, end - begin));
  return all;
}

/// Does the message quote a word of the mutated line, as it was or as it is, or is it about a value
/// that uses one ($width)?
bool needs_a_word(const Diagnostic& d, const std::set<std::string>& words) {
  const std::string line = source_line(d.mark);
  size_t begin = std::min(line.size(), size_t(std::max(0, d.mark.column - 1)));
  auto in = word_set(line.substr(begin, size_t(d.mark.length)));
  for (const Mark* at = &d.mark; at->via; at = &at->via->at)
    in.merge(word_set(source_line(at->via->at)));
  return std::ranges::any_of(words, [&](auto& word) {
    return in.contains(word) || d.message.find("'" + word + "'") != std::string::npos;
  });
}

bool is_at(const Mark& mark, const Mutation& mutation) {
  for (const Mark* at = &mark; *at; at = &at->via->at) {
    bool near = std::abs(at->line - int(mutation.line) - 1) <= 1;
    if (near) return true;
    if (!at->via) break;
  }
  return false;
}

/// At the mutated line or a neighbour (a line that is gone or doubled has none of its own), or at
/// one that needed it: what it names, or the shapes that follow from it.
bool is_located(const Diagnostic& d, const Mutation& mutation, const Lines& lines) {
  if (is_at(d.mark, mutation)) return true;
  for (auto& note : d.notes)
    if (is_at(note.mark, mutation)) return true;
  std::set<std::string> changed = word_set(mutation.before);
  if (mutation.line < lines.size()) changed.merge(word_set(lines[mutation.line]));
  const Mark* typed = &d.mark;
  while (typed->via) typed = &typed->via->at;
  bool shapes = d.code.starts_with("E02") && typed->line > int(mutation.line);
  return shapes || needs_a_word(d, changed);
}

struct Counts {
  size_t valid = 0, located = 0, lost = 0, helpful = 0;
};

TEST(Mutations, AreReportedWhereTheyAreInWordsThatHelp) {
  const char* wanted = std::getenv("BRAID_MUTATIONS");
  const size_t rounds = wanted ? size_t(std::atol(wanted)) : 500;
  const auto sources = examples();
  ASSERT_GE(sources.size(), 5u);
  Registry registry;
  register_builtin(registry);
  Random random(5);
  std::map<std::string, Counts> counts;
  std::map<std::string, size_t> generic;
  std::string lost;
  for (size_t round = 0; round < rounds;) {
    const Example& example = sources[random() % sources.size()];
    Lines lines = example.lines;
    auto mutation = mutate(lines, random);
    if (!mutation) continue;
    ++round;
    std::string text;
    for (auto& line : lines) text += line + "\n";
    Diagnostics found;
    Model model = read_text(text, example.path, {}, found);
    check(model, registry, found);
    Counts& count = counts[mutation->kind];
    if (!found.has_errors()) {
      ++count.valid;
      continue;
    }
    auto said = found.all();
    bool located =
        std::ranges::any_of(said, [&](auto& d) { return is_located(d, *mutation, lines); });
    bool helpful = std::ranges::none_of(said, [](auto& d) { return d.code == "E0003"; });
    ++(located ? count.located : count.lost);
    count.helpful += helpful;
    if (!located || !helpful)
      lost += mutation->kind + " of line " + std::to_string(mutation->line + 1) + " of " +
              fs::path(example.path).filename().string() + ": " + mutation->before + "\n" +
              render(said[0]);
  }
  Counts all;
  for (auto& [kind, c] : counts) {
    std::printf("%-10s %4zu valid, %4zu located, %4zu lost, %4zu with a helpful code\n",
                kind.c_str(), c.valid, c.located, c.lost, c.helpful);
    all.valid += c.valid, all.located += c.located, all.lost += c.lost, all.helpful += c.helpful;
  }
  const size_t wrong = all.located + all.lost;
  EXPECT_GT(wrong, rounds / 2) << "too few mutations do any harm";
  EXPECT_LE(all.lost * 100, wrong) << lost;
  EXPECT_GE(all.helpful * 100, wrong * 95) << lost;
}

}  // namespace
}  // namespace braid::test
