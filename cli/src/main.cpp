// The `braid` command: arguments to a command, faults to exit codes.
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>

#include "commands.h"
#include "output.h"

namespace braid::cli {
namespace {

constexpr int bug_of_ours = int(Fault::bug);

int dispatch(const Arguments& a) {
  struct Entry {
    const char* name;
    int (*run)(const Arguments&);
  };
  static constexpr Entry table[] = {
      {"check", check_command},
      {"plan", plan_command},
      {"draw", draw_command},
      {"train", train_command},
      {"eval", eval_command},
      {"run", run_command},
      {"stream", stream_command},
      {"layers", layers_command},
      {"devices", devices_command},
      {"weights", weights_command},
      {"explain", explain_command},
      {"schema", schema_command},
      {"fmt", fmt_command},
      {"compare", compare_command},
      {"bench", bench_command},
      {"export", export_command},
      {"import", import_command},
      {"trace", trace_command},
      {"report", report_command},
      {"test-layer", test_layer_command},
      {"completion", completion_command},
      {"manual", manual_command},
  };
  for (auto& entry : table)
    if (a.command == entry.name) return entry.run(a);
  bug("no command '" + a.command + "'");
}

int run(const Arguments& a) {
  try {
    int code = dispatch(a);
    finish_output();
    return code;
  } catch (const Error& error) {
    report(error.diagnostics(), a.json);
    return int(error.fault());
  } catch (const std::bad_alloc&) {
    warn("error: out of memory\n");
    return int(Fault::run);
  } catch (const std::exception& error) {
    warn(std::string("error: internal error: ") + error.what() + "\n");
    return bug_of_ours;
  } catch (...) {
    warn("error: internal error: an exception of an unknown type\n");
    return bug_of_ours;
  }
}

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  Arguments arguments;
  try {
    arguments = parse(argc, argv);
  } catch (const Leave& leave) {
    if (leave.code)
      warn(leave.text);
    else
      print(leave.text);
    return leave.code;
  } catch (const std::exception& error) {
    warn(std::string("error: internal error: ") + error.what() + "\n");
    return bug_of_ours;
  }
  return run(arguments);
}

}  // namespace
}  // namespace braid::cli

int main(int argc, char** argv) { return braid::cli::main(argc, argv); }
