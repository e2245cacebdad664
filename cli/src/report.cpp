// `braid report RUN`: one page of what a run left behind, which needs no network.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include <braid/compiler/draw.h>
#include <braid/runtime/files.h>

#include <fmt/format.h>

#include "chart.h"
#include "commands.h"
#include "file_text.h"
#include "output.h"
#include "progress.h"
#include "report.inc"

namespace braid::cli {
namespace {

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (auto part : parts) text += part;
  return text;
}

void replace(std::string& text, std::string_view what, std::string_view by) {
  text.replace(text.find(what), what.size(), by);
}

class Report {
 public:
  Report(std::string folder, const RunLog& run)
      : folder_(std::move(folder)),
        run_(run),
        name_(run.name.empty() ? std::filesystem::path(folder_).filename().string() : run.name) {}

  std::string page() {
    head();
    charts();
    picture();
    environment();
    notes();
    if (!run_.yaml.empty())
      add("<h2>Network</h2>\n<details "
          "class=\"sheet\"><summary>{}</summary><pre>{}</pre></details>\n",
          html_text(run_.file), html_text(run_.yaml));
    add("</main>\n<footer>{}; written by braid {}</footer>\n", html_text(folder_), BRAID_VERSION);
    std::string text = joined(page_page_html);
    // From the end: what is put in never stands before what is still sought.
    replace(text, "{{script}}", joined(page_script_js));
    replace(text, "{{body}}", body_);
    replace(text, "{{style}}", joined(page_style_css));
    replace(text, "{{title}}", html_text(name_));
    return text;
  }

 private:
  template <class... T>
  void add(fmt::format_string<T...> format, T&&... values) {
    body_ += fmt::format(format, std::forward<T>(values)...);
  }

  static const RunLog::Curve* find(const std::map<std::string, RunLog::Curve>& curves,
                                   const std::string& name) {
    auto at = curves.find(name);
    return at == curves.end() || at->second.empty() ? nullptr : &at->second;
  }

  void head() {
    const bool done = run_.ended == "done", stopped = run_.ended == "stopped";
    std::string of = run_.planned > 0 ? " of " + grouped(run_.planned) : "";
    add("<header><h1>{}</h1><span class=\"state {}\">{}</span><span class=\"soft\">{}{} "
        "steps</span>"
        "</header>\n<main>\n",
        html_text(name_),
        done      ? "done"
        : stopped ? "stopped"
                  : "running",
        done      ? "done"
        : stopped ? "stopped"
                  : "unfinished",
        grouped(run_.steps), of);
    if (run_.ended.empty())
      add("<p class=\"warning\">The log has no end: the run goes on, or was killed.</p>\n");
    if (run_.unread > 0)
      add("<p class=\"warning\">{} of its lines cannot be read and {} left out.</p>\n",
          grouped(run_.unread), run_.unread == 1 ? "is" : "are");
    tiles();
  }

  void tile(const std::string& name, const std::string& value, const std::string& more = {}) {
    add("<div><dt>{}</dt><dd>{}{}</dd></div>\n", html_text(name), html_text(value),
        more.empty() ? "" : " <small>" + html_text(more) + "</small>");
  }

  void tiles() {
    body_ += "<dl class=\"tiles\">\n";
    if (auto* loss = find(run_.train, "loss"))
      tile("loss", short_number(loss->back().value), "last step");
    for (auto& [name, curve] : run_.test)
      if (!curve.empty())
        tile(name == "loss" ? "test loss" : name, short_number(curve.back().value), "test");
    if (run_.best_step > 0)
      tile("best", short_number(run_.best_value), "step " + grouped(run_.best_step));
    if (run_.images_per_second > 0)
      tile("speed", grouped(int64_t(run_.images_per_second)), "images/s");
    if (run_.seconds > 0) tile("time", time_text(run_.seconds));
    body_ += "</dl>\n";
  }

  static std::string time_text(double seconds) {
    if (seconds < 60) return fmt::format("{:.3g} s", seconds);
    const auto whole = std::llround(seconds);
    if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
    return fmt::format("{}:{:02} h", whole / 3600, whole / 60 % 60);
  }

  void charts() {
    body_ += "<h2>Curves</h2>\n<div class=\"charts\">\n";
    const size_t before = body_.size();
    chart("loss");
    std::vector<std::string> names;
    for (auto* curves : {&run_.train, &run_.test})
      for (auto& [name, curve] : *curves)
        if (name != "loss" && std::ranges::find(names, name) == names.end()) names.push_back(name);
    for (auto& name : names) chart(name);
    body_ += to_svg({.title = "learning rate", .lines = {{.name = "rate", .curve = &run_.rate}}});
    if (body_.size() == before) body_ += "<p class=\"soft\">No step was logged.</p>\n";
    body_ += "</div>\n";
  }

  void chart(const std::string& name) {
    Chart chart{.title = name, .lines = {}, .logarithmic = name.find("loss") != name.npos};
    static const RunLog::Curve none;
    auto *train = find(run_.train, name), *test = find(run_.test, name);
    chart.lines.push_back({.name = "train", .curve = train ? train : &none, .noisy = true});
    if (test) chart.lines.push_back({.name = "test", .curve = test, .dots = true});
    if (test && !run_.best.empty()) chart.best = run_.best.back();
    body_ += to_svg(chart);
  }

  // The page that `braid draw` writes, in a frame of its own.
  void picture() {
    body_ += "<h2>Plan</h2>\n";
    const auto path = folder_ + "/plan.json";
    if (!std::filesystem::exists(path)) {
      body_ += "<p class=\"soft\">The run left no picture of its plan (plan.json).</p>\n";
      return;
    }
    try {
      const auto pictures = read_pictures(file_text(path, "E0709"), path);
      add("<figure><iframe sandbox=\"allow-scripts\" title=\"the network and its replicas\" "
          "srcdoc=\"{}\"></iframe></figure>\n",
          html_text(to_html(pictures)));
    } catch (const Error& error) {
      add("<p class=\"warning\">{}</p>\n", html_text(error.diagnostics().front().message));
    }
  }

  using Facts = std::vector<std::pair<std::string, std::string>>;

  void table(const std::string& title, const Facts& facts) {
    add("<div class=\"sheet\"><h3>{}</h3><table>\n", html_text(title));
    for (auto& [name, value] : facts)
      add("<tr><th>{}</th><td>{}</td></tr>\n", html_text(name), html_text(value));
    body_ += "</table></div>\n";
  }

  void environment() {
    body_ += "<h2>Environment</h2>\n";
    if (!run_.recorded) {
      body_ += "<p class=\"soft\">The run left no record of it (run.json).</p>\n";
    }
    body_ += "<div class=\"facts\">\n";
    Facts facts = run_.facts;
    if (!run_.weights.empty()) facts.emplace_back("weights", run_.weights);
    if (!run_.sha256.empty()) facts.emplace_back("sha256", run_.sha256);
    if (!run_.checkpoints.empty()) facts.emplace_back("checkpoint", run_.checkpoints.back());
    if (!facts.empty()) table("Run", facts);
    for (size_t i = 0; i < run_.parts.size(); ++i)
      table(run_.parts.size() == 1 ? "Machine" : "Part " + std::to_string(i + 1),
            run_.parts[i].facts);
    body_ += "</div>\n";
  }

  void notes() {
    if (run_.notes.empty()) return;
    body_ += "<h2>Notes</h2>\n<div class=\"sheet\"><table>\n";
    for (auto& [step, text] : run_.notes)
      add("<tr><th>step {}</th><td>{}</td></tr>\n", grouped(step), html_text(text));
    body_ += "</table></div>\n";
  }

  const std::string folder_;
  const RunLog& run_;
  std::string name_, body_;
};

}  // namespace

int report_command(const Arguments& a) {
  auto folder = std::filesystem::path(a.target).lexically_normal();
  if (folder.filename().empty() && folder.has_parent_path()) folder = folder.parent_path();
  const auto run = read_run(folder.string());
  const auto page = Report(folder.string(), run).page();
  if (a.out.empty())
    print(page);
  else
    write_file(a.out, page);
  return 0;
}

}  // namespace braid::cli
