#include <fmt/format.h>

#include "completion.h"

namespace braid::cli {
namespace {

constexpr const char* head = R"(# Completion of braid for fish, written by `braid completion fish`.
function __braid_command
    set -l words (commandline -opc)
    test (count $words) -gt 1; and test $words[2] = $argv[1]
end
function __braid_no_command
    test (count (commandline -opc)) -eq 1
end
complete -c braid -f
)";

std::string text_of(std::string_view text) { return quoted(text, "\\'"); }

std::string offers(const Values& values) {
  std::vector<std::string> all = values.words;
  bool any_file = false;
  for (auto& pattern : values.files)
    if (pattern == "*")
      any_file = true;
    else
      all.push_back("(__fish_complete_suffix " + pattern.substr(1) + ")");
  if (values.folders) all.emplace_back("(__fish_complete_directories)");
  const std::string text = any_file ? " -F" : " -f";
  return all.empty() ? text : text + " -k -a " + text_of(joined(all, " "));
}

std::string option_line(const std::string& condition, const OptionForm& option) {
  std::string text = "complete -c braid -n '" + condition + "'";
  for (auto& name : option.names)
    text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  if (option.must_have_value) text += " -r";
  if (option.takes_value) text += offers(values_of(option));
  return text + " -d " + text_of(option.doc) + "\n";
}

}  // namespace

std::string fish_completion(const CommandForms& forms) {
  std::string text = head;
  for (auto& option : forms.braid.options) text += option_line("__braid_no_command", option);
  for (auto& command : forms.commands) {
    text += fmt::format("complete -c braid -n __braid_no_command -a {} -d {}\n", command.name,
                        text_of(command.doc));
    const std::string condition = "__braid_command " + command.name;
    for (auto& option : command.options) text += option_line(condition, option);
    if (command.arguments.empty()) continue;
    const auto values = values_of(command.arguments.front());
    if (!values.empty())
      text += fmt::format("complete -c braid -n '{}'{}\n", condition, offers(values));
  }
  return text;
}

}  // namespace braid::cli
