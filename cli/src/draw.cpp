// `braid draw NET`: pictures. SVG is made by Graphviz, which must be installed for it.
#include <braid/compiler/draw.h>
#include <braid/compiler/stages.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <vector>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <braid/runtime/files.h>

#include "commands.h"
#include "file_text.h"
#include "network.h"
#include "output.h"

extern char** environ;

namespace braid::cli {
namespace {

std::string format_of(const Arguments& a) {
  if (!a.format.empty()) return a.format;
  auto ending = std::filesystem::path(a.out).extension().string();
  for (const char* format : {"svg", "json", "html"})
    if (ending.substr(0, 1) == "." && ending.substr(1) == format) return format;
  if (ending == ".htm") return "html";
  if (ending == ".mmd" || ending == ".mermaid" || ending == ".md") return "mermaid";
  if (ending.empty() || ending == ".dot" || ending == ".gv" || a.out.starts_with("/dev/"))
    return "dot";
  throw Error(
      Fault::usage, "E0707",
      "'" + ending + "' is no format of pictures: .dot, .svg, .mmd, .md, .json and .html are")
      .help("--format dot, mermaid, svg, json or html writes that format whatever the name");
}

Picture network_of(const Network& network) {
  return draw_network(network.model, network.summary, network.registry);
}

Picture replicas_of(const Network& network, const Arguments& a, int phase = -1) {
  auto& model = network.model;
  Arguments each = a;  // a picture shows every replica, though a launch may serve several
  each.disabled.insert("gang");
  auto picture = draw_replicas(make_plan(network, each, phase), a.backward);
  auto name = phase < 0 ? "" : model.phases[size_t(phase)].name + ", ";
  picture.title = model.name + ": " + name + picture.title;
  return picture;
}

/// Of each phase, where there are some. A network without a batch is a picture still, unless its
/// replicas were asked for.
void add_replicas(std::vector<Picture>& pictures, const Network& network, const Arguments& a,
                  bool both) {
  auto& model = network.model;
  try {
    if (!both || model.phases.empty()) pictures.push_back(replicas_of(network, a));
    for (size_t phase = 0; both && phase < model.phases.size(); ++phase)
      pictures.push_back(replicas_of(network, a, int(phase)));
  } catch (const Error& e) {
    if (!a.view.empty() || e.fault() != Fault::model) throw;
    warn(std::string("the network is drawn without its replicas:\n") + e.what());
  }
}

/// A file that `--format json` wrote is drawn as a network is.
std::vector<Picture> pictures_of(const Arguments& a, bool both) {
  auto wanted = [&](const char* view) {
    return a.view.empty() ? both || view == std::string("network") : a.view == view;
  };
  std::vector<Picture> pictures;
  if (a.target.ends_with(".json")) {
    const auto written = read_pictures(file_text(a.target, "E0709"), a.target);
    for (auto& picture : written)
      if (wanted(std::string(to_string(picture.view)).c_str())) pictures.push_back(picture);
    if (pictures.empty() && a.view.empty() && !written.empty()) pictures.push_back(written[0]);
    if (pictures.empty())
      throw Error(Fault::data, "E0709", a.target + ": there is no such picture in it")
          .help("--view network or replicas, whichever was written");
    return pictures;
  }
  const Network network = load_network(a);
  auto& model = network.model;
  if (a.view == "pipeline") need_pipeline(model);
  if (a.view.empty() && model.layers.empty() && model.pipeline)
    return {draw_pipeline(*model.pipeline, model.name)};
  if (a.view == "network") need_layers(model);
  if (wanted("network")) pictures.push_back(network_of(network));
  if (wanted("pipeline") && model.pipeline)
    pictures.push_back(draw_pipeline(*model.pipeline, model.name));
  if (wanted("replicas")) add_replicas(pictures, network, a, both);
  return pictures;
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
        .help("install the package graphviz, or use --format html, which needs none of it");
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  std::string svg = contents(out.get());
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || svg.empty())
    throw Error(Fault::output, "E0703", "Graphviz's `dot` failed to draw the picture")
        .help("--format dot writes what it was given");
  return svg;
}

std::string written(const std::vector<Picture>& pictures, const std::string& format, bool fenced) {
  if (format == "json") return to_json(pictures);
  if (format == "html") return to_html(pictures);
  auto& picture = pictures.front();
  if (format == "svg") return to_svg(to_dot(picture));
  if (format == "dot") return to_dot(picture);
  const std::string text = to_mermaid(picture);
  return fenced ? "```mermaid\n" + text + "```\n" : text;
}

}  // namespace

int draw_command(const Arguments& a) {
  auto format = format_of(a);
  auto pictures = pictures_of(a, format == "json" || format == "html");
  if (!a.trace.empty() && set_times(pictures, file_text(a.trace, "E0708"), a.trace) == 0)
    warn(a.trace + ": no event of the trace is of a layer that is drawn\n");
  const std::string text = written(pictures, format, a.out.ends_with(".md"));
  if (a.out.empty())
    print(text);
  else
    write_file(a.out, text);
  return 0;
}

}  // namespace braid::cli
