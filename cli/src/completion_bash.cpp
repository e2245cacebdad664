#include <map>

#include <fmt/format.h>

#include "completion.h"

namespace braid::cli {
namespace {

constexpr const char* head = R"(# Completion of braid for bash, written by `braid completion bash`.
_braid() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local command=${COMP_WORDS[1]} words= files= folders= list= pattern
  # Of --mode=train the shell makes three words.
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  ((COMP_CWORD > 1)) || command=
  COMPREPLY=()
  case "$command $previous" in
)";

constexpr const char* tail = R"(      esac
      ;;
  esac
  if [[ -n $words && $current == *,* ]]; then
    list=${current%,*},
    current=${current##*,}
  fi
  [[ -z $words ]] || mapfile -t COMPREPLY < <(compgen -P "$list" -W "$words" -- "$current")
  [[ -n $files$folders ]] || return 0
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(
    ((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}"
    compgen -d -- "$current"
    set -f
    for pattern in $files; do
      compgen -f -X "!$pattern" -- "$current" | while IFS= read -r name; do
        [[ -d $name ]] || printf '%s\n' "$name"
      done
    done
  )
}
complete -F _braid braid
)";

/// As assignments to the variables of the function.
std::string assignments(const Values& values) {
  std::string text;
  if (!values.words.empty()) text += " words='" + joined(values.words, " ") + "'";
  if (!values.files.empty()) text += " files='" + joined(values.files, " ") + "'";
  if (values.folders) text += " folders=yes";
  return text;
}

/// What can be typed where no option waits for its value.
std::string case_of_command(const CommandForm& command, const Values& values) {
  std::vector<std::string> options;
  for (auto& option : command.options)
    options.insert(options.end(), option.names.begin(), option.names.end());
  std::string text = fmt::format(
      "        '{}')\n          if [[ $current == -* ]]; then\n            words='{}'\n",
      command.name, joined(options, " "));
  if (!values.empty()) text += "          else\n           " + assignments(values) + "\n";
  return text + "          fi\n          ;;\n";
}

}  // namespace

std::string bash_completion(const CommandForms& forms) {
  std::map<std::string, std::vector<std::string>> waiting;  // options, by what they wait for
  for (auto& command : forms.commands)
    for (auto& option : command.options)
      for (auto& name : option.names)
        if (option.must_have_value)
          waiting[assignments(values_of(option))].push_back("'" + command.name + " " + name + "'");
  std::string text = head;
  for (auto& [values, options] : waiting)
    text += fmt::format("    {})\n     {}\n      ;;\n", joined(options, " | "),
                        values.empty() ? " return 0" : values);
  text += "    *)\n      case $command in\n";
  Values commands;
  for (auto& command : forms.commands) commands.words.push_back(command.name);
  text += case_of_command(forms.braid, commands);
  for (auto& command : forms.commands)
    text += case_of_command(
        command, command.arguments.empty() ? Values{} : values_of(command.arguments.front()));
  return text + tail;
}

}  // namespace braid::cli
