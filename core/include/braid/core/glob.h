// Patterns over the paths of layers and the keys of weights: `*` stands for any run of characters,
// dots included.
//
//   glob("backbone.*", "backbone.conv1.weight");            // true
//   pattern_hint("bakbone.*", {"backbone.conv1", "fc"});    // " (did you mean 'backbone.*'?)"
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace braid {

bool glob(std::string_view pattern, std::string_view text);

/// What a pattern that matches none of `names` may have meant, or "".
std::string pattern_hint(std::string_view pattern, std::span<const std::string> names);

}  // namespace braid
