// `braid fmt [FILE...]`: the canonical form of network files.
#include <cstdio>
#include <fstream>
#include <sstream>

#include <braid/dsl/format.h>
#include <braid/runtime/files.h>

#include "commands.h"
#include "output.h"

namespace braid::cli {
namespace {

std::string from_stdin() {
  std::string text;
  char buffer[1 << 14];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, stdin)) > 0;) text.append(buffer, n);
  return text;
}

std::string read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in || !text)
    throw Error(Fault::model, "E0001", path + ": cannot read the file")
        .help("a network file, or none for stdin");
  return text.str();
}

std::string canonical(const std::string& text, const std::string& name) {
  Diagnostics found;
  auto printed = format_text(text, name, found);
  found.raise();
  return *printed;
}

}  // namespace

int fmt_command(const Arguments& a) {
  constexpr int differs = 1;
  int code = 0;
  if (a.files.empty()) {
    const std::string text = from_stdin(), printed = canonical(text, "stdin");
    if (!a.only_check) print(printed);
    return a.only_check && printed != text ? differs : 0;
  }
  for (const std::string& file : a.files) {
    const std::string text = read_whole(file), printed = canonical(text, file);
    if (a.only_check && printed != text) {
      print(file + "\n");
      code = differs;
    } else if (a.in_place && printed != text) {
      write_file(file, printed);
    } else if (!a.only_check && !a.in_place) {
      print(printed);
    }
  }
  return code;
}

}  // namespace braid::cli
