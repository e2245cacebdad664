// `braid explain CODE`.
#include "codes.h"
#include "commands.h"
#include "examples.h"
#include "json.h"
#include "output.h"

namespace braid::cli {
namespace {

const char* family(std::string_view code) {
  if (code[0] == 'W') return "a warning: the file is read, but may not mean what it seems to";
  switch (code[2]) {
    case '0':
    case '1':
    case '2':
      return code[1] == '7' ? "a fault of Braid, exit code 70" : "the model file, exit code 3";
    case '3':
      return "data or weights, exit code 4";
    case '4':
      return "the run, exit code 5";
    case '5':
      return "a device, exit code 6";
    case '6':
      return "writing, exit code 7";
    case '7':
      return "the command line, exit code 2";
    default:
      return "not in this version, exit code 3";
  }
}

std::string as_json(const CodeEntry& entry) {
  Json all = {{"code", entry.code}, {"meaning", entry.meaning}, {"fix", entry.fix}};
  for (auto& [title, text] : example_sections(entry.code)) all["example"][title] = text;
  return line(all);
}

std::string as_text(const CodeEntry& entry) {
  std::string text = std::string(entry.code) + "  (" + family(entry.code) + ")\n\n" +
                     std::string(entry.meaning) + "\n\nfix: " + std::string(entry.fix) + "\n";
  std::string_view example = example_text(entry.code);
  return example.empty() ? text : text + "\n" + std::string(example);
}

}  // namespace

int explain_command(const Arguments& a) {
  std::vector<std::string> known;
  for (auto& entry : codes()) {
    known.emplace_back(entry.code);
    if (entry.code != a.target) continue;
    if (a.json)
      print(as_json(entry));
    else
      print(as_text(entry));
    return 0;
  }
  throw Error(Fault::usage, "E0706",
              "there is no code '" + a.target + "'" + did_you_mean(a.target, known));
}

}  // namespace braid::cli
