// `braid draw NET`: pictures. SVG is made by Graphviz, which must be installed for it.
#include <braid/compiler/draw.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <braid/nodes/builtin.h>
#include <braid/runtime/files.h>

#include "commands.h"
#include "network.h"
#include "output.h"

extern char** environ;

namespace braid::cli {
namespace {

std::string format_of(const Arguments& a) {
  if (!a.format.empty()) return a.format;
  auto ending = std::filesystem::path(a.out).extension().string();
  if (ending == ".svg") return "svg";
  if (ending == ".mmd" || ending == ".mermaid" || ending == ".md") return "mermaid";
  if (ending.empty() || ending == ".dot" || ending == ".gv" || a.out.starts_with("/dev/"))
    return "dot";
  throw Error(Fault::usage, "E0707",
              "'" + ending + "' is no format of pictures: .dot, .svg, .mmd and .md are")
      .help("--format dot, mermaid or svg writes that format whatever the name");
}

Picture picture_of(const Arguments& a) {
  Model model = load_network(a).model;
  if (a.view == "replicas") {
    Arguments each = a;  // a picture shows every replica, though a launch may serve several
    each.disabled.insert("gang");
    auto picture = draw_replicas(make_plan(model, each), a.backward);
    picture.title = model.name + ": " + picture.title;
    return picture;
  }
  Registry registry;
  register_builtin(registry);
  Diagnostics found;
  Summary summary = check(model, registry, found);
  found.raise();
  return draw_network(model, summary);
}

using File = std::unique_ptr<FILE, int (*)(FILE*)>;

// A file without a name: neither end of a pipe can block on the other.
File scratch() {
  File file(std::tmpfile(), std::fclose);
  if (!file)
    throw Error(Fault::output, "E0601",
                std::string("no temporary file can be made: ") + std::strerror(errno));
  return file;
}

std::string contents(FILE* file) {
  std::string text;
  char buffer[1 << 14];
  std::rewind(file);
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, file)) > 0;) text.append(buffer, n);
  return text;
}

std::string to_svg(const std::string& dot) {
  File in = scratch(), out = scratch();
  std::fwrite(dot.data(), 1, dot.size(), in.get());
  std::fflush(in.get());
  std::rewind(in.get());
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fileno(in.get()), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(out.get()), STDOUT_FILENO);
  const char* arguments[] = {"dot", "-Tsvg", nullptr};
  pid_t child = 0;
  int failed =
      posix_spawnp(&child, "dot", &actions, nullptr, const_cast<char**>(arguments), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed)
    throw Error(Fault::output, "E0702", "SVG is drawn by Graphviz's `dot`, which is not installed")
        .help("install the package graphviz, or use --format dot or mermaid");
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  std::string svg = contents(out.get());
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || svg.empty())
    throw Error(Fault::output, "E0703", "Graphviz's `dot` failed to draw the picture")
        .help("--format dot writes what it was given");
  return svg;
}

}  // namespace

int draw_command(const Arguments& a) {
  auto format = format_of(a);
  Picture picture = picture_of(a);
  std::string text = format == "mermaid" ? to_mermaid(picture) : to_dot(picture);
  if (format == "svg") text = to_svg(text);
  if (format == "mermaid" && a.out.ends_with(".md")) text = "```mermaid\n" + text + "```\n";
  if (a.out.empty())
    print(text);
  else
    write_file(a.out, text);
  return 0;
}

}  // namespace braid::cli
