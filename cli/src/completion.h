// Completion scripts of shells, from the commands as data.
#pragma once
#include "forms.h"

namespace braid::cli {

std::string bash_completion(const CommandForms& forms);
std::string zsh_completion(const CommandForms& forms);
std::string fish_completion(const CommandForms& forms);

std::string joined(const std::vector<std::string>& words, std::string_view between);
/// `'` as a shell has it between two of them; `quote` is what stands for one there.
std::string quoted(std::string_view text, std::string_view quote);

}  // namespace braid::cli
