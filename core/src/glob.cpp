#include <braid/core/glob.h>

#include <set>
#include <vector>

#include <braid/core/error.h>

namespace braid {
namespace {

constexpr size_t most_parts = 4096;  // to compare with; hostile input stays cheap

/// Adds what a pattern may be without its stars: runs of whole components. One that begins with a
/// star is the end of a name, one that ends with a star the beginning.
void add_parts(std::string_view name, bool open_before, bool open_behind,
               std::set<std::string>& parts) {
  std::vector<size_t> begins = {0}, ends;
  for (size_t i = 0; i < name.size(); ++i)
    if (name[i] == '.') ends.push_back(i), begins.push_back(i + 1);
  ends.push_back(name.size());
  for (size_t b = 0; b < (open_before ? begins.size() : 1); ++b)
    for (size_t e = open_behind ? b : ends.size() - 1; e < ends.size(); ++e)
      parts.emplace(name.substr(begins[b], ends[e] - begins[b]));
}

}  // namespace

bool glob(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::string pattern_hint(std::string_view pattern, std::span<const std::string> names) {
  auto before = pattern.substr(0, std::min(pattern.find_first_not_of("*."), pattern.size()));
  auto core = pattern.substr(before.size());
  auto behind = core.substr(std::min(core.find_last_not_of("*.") + 1, core.size()));
  core.remove_suffix(behind.size());
  std::set<std::string> parts;
  for (auto& name : names)
    if (parts.size() < most_parts)
      // Without stars it may have meant all that stands in a block.
      add_parts(name, !before.empty(), !behind.empty() || before.empty(), parts);
  auto near = nearest(core, std::vector<std::string>(parts.begin(), parts.end()));
  if (near.empty()) return {};
  auto meant = std::string(before) + near + std::string(behind);
  if (meant == pattern) meant += ".*";
  return " (did you mean '" + meant + "'?)";
}

}  // namespace braid
