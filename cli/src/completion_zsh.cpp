#include <fmt/format.h>

#include "completion.h"

namespace braid::cli {
namespace {

constexpr const char* head = R"(#compdef braid
# Completion of braid for zsh, written by `braid completion zsh`.
_braid() {
  local -a commands
  commands=(
)";

constexpr const char* middle = R"(  )
  if (( CURRENT == 2 )); then
    if [[ $words[2] == -* ]]; then
      _arguments %OPTIONS%
    else
      _describe -t commands command commands
    fi
    return
  fi
  shift words
  (( CURRENT-- ))
  case $words[1] in
)";

constexpr const char* tail = R"(  esac
}
if [[ $funcstack[1] == _braid ]]; then
  _braid "$@"
else
  compdef _braid braid
fi
)";

std::string escaped(std::string_view text, std::string_view special) {
  std::string out;
  for (char c : text) {
    if (special.find(c) != special.npos) out += '\\';
    out += c;
  }
  return out;
}

std::string spec_of(std::string_view text) { return quoted(text, "'\\''"); }

/// What follows the second colon of a specification.
std::string action(const Values& values) {
  std::vector<std::string> endings;
  for (auto& pattern : values.files)
    if (pattern.starts_with("*.")) endings.push_back(pattern.substr(2));
  if (!endings.empty()) return "_files -g \"*.(" + joined(endings, "|") + ")\"";
  if (!values.files.empty()) return "_files";
  if (values.folders) return "_files -/";
  return values.words.empty() ? " " : "(" + joined(values.words, " ") + ")";
}

std::string value_spec(const OptionForm& form) {
  return ":" + escaped(form.placeholder, ":\\") + ":" + action(values_of(form));
}

std::string option_spec(const OptionForm& option) {
  std::string value;
  if (option.takes_value) value = (option.must_have_value ? "" : ":") + value_spec(option);
  const std::string doc = "[" + escaped(option.doc, "[]:\\") + "]" + value;
  std::vector<std::string> specs;
  for (auto& name : option.names) {
    const bool is_long = name.starts_with("--");
    const std::string sign = !option.takes_value ? "" : is_long ? "=" : "+";
    std::string others = option.many ? "*" : "(" + joined(option.names, " ") + ")";
    specs.push_back(spec_of(others + name + sign + doc));
  }
  return joined(specs, " ");
}

std::string specs_of(const CommandForm& command) {
  std::vector<std::string> specs;
  for (auto& option : command.options) specs.push_back(option_spec(option));
  for (size_t i = 0; i < command.arguments.size(); ++i) {
    auto& argument = command.arguments[i];
    const std::string place = argument.many ? "*" : std::to_string(i + 1);
    specs.push_back(spec_of(place + value_spec(argument)));
  }
  return joined(specs, " \\\n        ");
}

}  // namespace

std::string zsh_completion(const CommandForms& forms) {
  std::string text = head;
  for (auto& command : forms.commands)
    text += "    " + spec_of(escaped(command.name, ":") + ":" + command.doc) + "\n";
  std::string dispatch = middle;
  constexpr std::string_view place = "%OPTIONS%";
  dispatch.replace(dispatch.find(place), place.size(), specs_of(forms.braid));
  text += dispatch;
  for (auto& command : forms.commands)
    text +=
        fmt::format("    {})\n      _arguments {}\n      ;;\n", command.name, specs_of(command));
  return text + tail;
}

}  // namespace braid::cli
