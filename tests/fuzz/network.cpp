#include "fuzz/network.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include <braid/compiler/compile.h>
#include <braid/compiler/stages.h>
#include <braid/dsl/read.h>
#include <braid/nodes/builtin.h>
#include <braid/nodes/isa.h>

namespace braid::fuzz {
namespace {

[[noreturn]] void broken(const std::string& what, const Diagnostic& d) {
  std::fprintf(stderr, "fuzz: %s: %s\n%s\n", what.c_str(), d.code.c_str(), render(d).c_str());
  std::abort();
}

bool is_code(const std::string& code) {
  return code.size() == 5 && (code[0] == 'E' || code[0] == 'W') &&
         std::all_of(code.begin() + 1, code.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void judge(const Diagnostic& d, const std::string& text) {
  if (!is_code(d.code)) broken("no code", d);
  if (d.message.empty()) broken("no message", d);
  if (!d.mark || d.mark.source->name != "net.yaml") return;
  const auto lines = std::count(text.begin(), text.end(), '\n') + 1;
  if (d.mark.line < 0 || d.mark.line > lines + 1) broken("a line that the text has not", d);
  if (d.mark.column < 0) broken("no column", d);
  if (render(d).empty()) broken("nothing is said", d);
}

const Registry& registry() {
  static const Registry& all = *[] {
    auto made = new Registry;
    register_builtin(*made);
    return made;
  }();
  return all;
}

}  // namespace

void try_network(std::string text) {
  const std::string kept = text;
  Diagnostics found;
  const Model model = read_text(std::move(text), "net.yaml", {}, found);
  if (!found.has_errors()) build(model, registry(), {.mode = Mode::train}, found);
  check_stages(model, found);
  for (auto& d : found.all()) judge(d, kept);
  if (found.has_errors()) return;
  // Compiling takes its time, as it should, for what is large.
  if (int64_t(model.layers.size()) * model.replicas > 300) return;
  for (Mode mode : {Mode::train, Mode::eval}) try {
      compile(model, registry(),
              {.mode = mode,
               .batch = 2 * model.replicas,
               .traits = {.kind = "cpu", .isa = current_isa()},
               .memory = int64_t(1) << 32});
    } catch (const Error& e) {
      for (auto& d : e.diagnostics()) judge(d, kept);
    }
}

}  // namespace braid::fuzz
