// `braid completion SHELL`: what the shell reads to complete commands, options and their values.
#include "completion.h"

#include "commands.h"
#include "output.h"

namespace braid::cli {

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string text;
  for (auto& word : words) text.append(text.empty() ? "" : between).append(word);
  return text;
}

std::string quoted(std::string_view text, std::string_view quote) {
  std::string out = "'";
  for (char c : text) out.append(c == '\'' ? quote : std::string_view(&c, 1));
  return out + "'";
}

int completion_command(const Arguments& a) {
  const auto forms = command_forms();
  if (a.target == "bash")
    print(bash_completion(forms));
  else if (a.target == "zsh")
    print(zsh_completion(forms));
  else
    print(fish_completion(forms));
  return 0;
}

}  // namespace braid::cli
