// `braid manual`: the page for `man`, from the same forms as the help.
#include <fmt/format.h>

#include "commands.h"
#include "completion.h"
#include "output.h"

namespace braid::cli {
namespace {

/// Text as roff takes it literally.
std::string roff(std::string_view text) {
  std::string out;
  for (char c : text) {
    if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
  }
  return out;
}

std::string entry(const OptionForm& form) {
  std::string head = form.names.empty() ? "\\fI" + roff(form.placeholder) + "\\fR"
                                        : "\\fB" + roff(joined(form.names, ", ")) + "\\fR";
  if (!form.names.empty() && form.takes_value) head += " \\fI" + roff(form.placeholder) + "\\fR";
  return ".TP\n" + head + "\n" + roff(form.doc) + ".\n";
}

std::string section(const CommandForm& command) {
  std::string text = ".SS braid " + roff(command.name);
  for (auto& argument : command.arguments) text += " " + roff(argument.placeholder);
  text += "\n" + roff(command.doc) + ".\n";
  for (auto& argument : command.arguments) text += entry(argument);
  for (auto& option : command.options) text += entry(option);
  return text;
}

constexpr const char* environment = R"(.SH ENVIRONMENT
.TP
.B BRAID_PLUGIN_PATH
Folders, with colons between them, in which plug\-ins are sought behind that of the network file.
.TP
.B BRAID_CUDA_LIBRARY
The CUDA backend, where it is not to be sought beside the command and among the system's libraries.
)";

}  // namespace

int manual_command(const Arguments&) {
  const auto forms = command_forms();
  std::string text = fmt::format(
      ".TH BRAID 1 \"\" \"braid {}\" \"User Commands\"\n.SH NAME\nbraid \\- neural networks from "
      "YAML, "
      "with the same bits on any devices\n.SH SYNOPSIS\n.B braid\n.I COMMAND\n[\\fIOPTIONS\\fR]\n"
      ".SH DESCRIPTION\n{}\n.SH COMMANDS\n",
      BRAID_VERSION, roff(forms.braid.doc));
  for (auto& command : forms.commands) text += section(command);
  text += environment;
  print(text + ".SH EXIT STATUS\n" + roff(forms.footer) + "\n");
  return 0;
}

}  // namespace braid::cli
