#include "rename.h"

#include <set>

#include <braid/core/error.h>

namespace braid {
namespace {

/// The beginnings of keys, each with its dot.
std::vector<std::string> beginnings(const std::map<std::string, Array>& tensors) {
  std::set<std::string> found;
  for (auto& [key, array] : tensors)
    for (size_t dot = key.find('.'); dot != key.npos; dot = key.find('.', dot + 1))
      found.insert(key.substr(0, dot + 1));
  return {found.begin(), found.end()};
}

}  // namespace

Renamed rename_keys(std::map<std::string, Array> tensors, const WeightsDecl& rules,
                    const std::string& from) {
  Renamed out;
  std::map<std::string, std::string> before;  // new key -> old
  std::vector<bool> used(rules.rename.size(), false);
  const auto known = rules.rename.empty() ? std::vector<std::string>{} : beginnings(tensors);
  for (auto& [key, array] : tensors) {
    std::string now = key;
    for (size_t i = 0; i < rules.rename.size(); ++i) {
      auto& [begin, instead] = rules.rename[i];
      if (!key.starts_with(begin)) continue;
      now = instead + key.substr(begin.size());
      used[i] = true;
      break;
    }
    auto [other, fresh] = before.emplace(now, key);
    if (!fresh)
      throw Error(
          Fault::data, "E0315",
          from + ": '" + other->second + "' and '" + key + "' are both renamed to '" + now + "'",
          rules.mark);
    out.tensors.emplace(now, std::move(array));
  }
  for (size_t i = 0; i < used.size(); ++i)
    if (!used[i])
      out.unused.push_back("rename: no key of the file begins with '" + rules.rename[i].first +
                           "'" + did_you_mean(rules.rename[i].first, known));
  return out;
}

}  // namespace braid
