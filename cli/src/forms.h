// The commands as data, from the parser itself: what completion and the manual are made of.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace braid::cli {

/// An option or an argument.
struct OptionForm {
  std::vector<std::string> names = {};  ///< "-o", "--out"; none: it is known by its place
  std::string placeholder = {};         ///< "FILE.json", "train|eval"; of a flag ""
  std::string doc = {};
  bool takes_value = false;
  bool must_have_value = false;
  bool many = false;  ///< may be given again, or with commas
};

struct CommandForm {
  std::string name = {};  ///< "" for `braid` itself
  std::string doc = {};
  std::vector<OptionForm> options = {};
  std::vector<OptionForm> arguments = {};
};

struct CommandForms {
  CommandForm braid;  ///< what stands before a command
  std::vector<CommandForm> commands;
  std::string footer;
};

CommandForms forms_of(const CLI::App& app);
/// Of the command that runs.
CommandForms command_forms();

/// What may stand for a value.
struct Values {
  std::vector<std::string> words = {};
  std::vector<std::string> files = {};  ///< patterns: "*.yaml"
  bool folders = false;

  bool empty() const { return words.empty() && files.empty() && !folders; }
};

/// From the placeholder: "train|eval" are words, FILE.json files, DIR folders, TYPE the types of
/// this build, and so on.
Values values_of(const OptionForm& form);

}  // namespace braid::cli
