#include "arguments.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include <braid/compiler/compile.h>
#include <braid/core/stages.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "forms.h"

namespace braid::cli {
namespace {

constexpr const char* about = R"(Trains and runs networks that are written in YAML.

Replicas are the program, devices are the deployment: the same file gives the same weights, bit for
bit, on any list of devices.)";

constexpr const char* exit_codes = R"(
Results go to stdout, progress and diagnostics to stderr.
Exit codes: 0 fine; 1 a difference (compare, fmt --check,
test-layer); 2 usage; 3 the model file;
4 data or weights; 5 the run; 6 a device; 7 writing; 70 a fault of Braid; 75 stopped by SIGTERM or
SIGUSR1, saved; 130 interrupted (Ctrl-C), saved.)";

std::pair<std::string, std::string> split_pair(const std::string& text, const char* option) {
  size_t at = text.find('=');
  if (at == 0 || at == std::string::npos || at + 1 == text.size())
    throw CLI::ValidationError(option, "expected name=value, got '" + text + "'");
  return {text.substr(0, at), text.substr(at + 1)};
}

// "10..20", "10.." or "10".
std::pair<int64_t, int64_t> split_range(const std::string& text, const char* option) {
  const size_t dots = text.find("..");
  auto number = [&](const std::string& part, int64_t missing) {
    int64_t value = missing;
    const char* end = part.data() + part.size();
    auto read = std::from_chars(part.data(), end, value);
    if (!part.empty() && (read.ec != std::errc{} || read.ptr != end || value < 0))
      throw CLI::ValidationError(option, "expected A..B, got '" + text + "'");
    return value;
  };
  if (text.empty() || text == "..")
    throw CLI::ValidationError(option, "expected A..B, got '" + text + "'");
  if (dots == text.npos) return {number(text, 0), number(text, 0)};
  const int64_t first = number(text.substr(0, dots), 0);
  const int64_t last = number(text.substr(dots + 2), INT64_MAX);
  if (last < first) throw CLI::ValidationError(option, "'" + text + "' ends before it begins");
  return {first, last};
}

// Declares the commands and their options; the parser writes into an Arguments.
class Grammar {
 public:
  explicit Grammar(Arguments& a) : a_(a), app_(about, "braid") {
    app_.footer(exit_codes);
    app_.require_subcommand(1);
    app_.set_version_flag("--version", "braid " BRAID_VERSION);
    check();
    plan();
    draw();
    train();
    eval();
    run();
    stream();
    export_net();
    import();
    bench();
    fmt();
    lists();
  }

  void parse(int argc, char** argv) {
    if (argc > 1 && argv[1][0] != '-') check_command(argv[1]);
    app_.parse(argc, argv);
    a_.command = app_.get_subcommands().front()->get_name();
    settle_resume();
    if (a_.target.empty() && needs_target_.contains(a_.command))
      throw CLI::RequiredError(needs_target_.at(a_.command));
  }

  const CLI::App& app() const { return app_; }

 private:
  void check_command(const std::string& name) const {
    std::vector<std::string> known;
    for (auto* command : app_.get_subcommands([](auto*) { return true; }))
      known.push_back(command->get_name());
    if (std::ranges::find(known, name) == known.end())
      throw Leave{2, "error: there is no command '" + name + "'" + did_you_mean(name, known) +
                         "\n   help: braid --help\n"};
  }

  CLI::App& command(const char* name, const char* what, const char* target, bool needed = true,
                    const char* target_doc = "A network file") {
    auto& c = *app_.add_subcommand(name, what);
    // Checked in parse(): `--resume NET` must not swallow the network.
    if (target) c.add_option(target, a_.target, target_doc)->option_text(needed ? "(needed)" : "");
    if (target && needed) needs_target_[name] = target;
    c.add_flag("--json", a_.json, "Print JSON");
    return c;
  }

  void network(CLI::App& c) {
    c.add_option_function<std::string>(
         "--set", [this](auto& text) { a_.set.push_back(split_pair(text, "--set")); },
         "Replace a param of the file, or a value by its dotted path (optimizer.lr)")
        ->option_text("KEY=VALUE ...")
        ->trigger_on_parse();
    c.add_option("--replicas", a_.replicas, "Replace the file's number of replicas")
        ->option_text("N");
    c.add_option("--seed", a_.seed, "Replace the file's seed")->option_text("N");
    c.add_flag("--no-plugins", a_.no_plugins, "Refuse a file that loads plug-ins");
    c.add_option("--allow", a_.allow, "Say nothing of these warnings")
        ->delimiter(',')
        ->option_text("WARNING ...");
    c.add_option("--deny", a_.deny, "Take these warnings, or all, for errors")
        ->delimiter(',')
        ->option_text("WARNING ...|warnings");
  }

  void deployment(CLI::App& c) {
    const CLI::Validator gpu(
        [](const std::string& text) {
          const bool fits = text.starts_with("sm_") && text.size() > 4 && text.size() < 8 &&
                            text.find_first_not_of("0123456789", 3) == text.npos;
          return std::string(fits ? "" : "no GPU architecture");
        },
        "sm_90", "gpu");
    c.add_option("--devices", a_.devices, "Where the replicas run, such as cpu:0,cpu:1")
        ->delimiter(',')
        ->option_text("LIST");
    c.add_option("--isa", a_.isa, "Pin the instruction set: same bits on every host that has it")
        ->check(CLI::IsMember({"sse4", "avx2", "avx512"}) | gpu)
        ->option_text("sse4|avx2|avx512; plan: also sm_90");
    c.add_option("--disable-pass", a_.disabled, "Leave out a pass; no result changes")
        ->check(CLI::IsMember(optional_passes()))
        ->option_text("PASS ...");
  }

  void execution(CLI::App& c) {
    deployment(c);
    c.add_option("--threads", a_.threads, "Threads in all; 0 = one for each core")
        ->check(CLI::Range(0, 4096))
        ->option_text("N");
    c.add_option("--engine", a_.engine, "How the plan is executed; same bits")
        ->check(CLI::IsMember({"tbb", "serial", "threads", "reference"}))
        ->option_text("tbb|serial");
    c.add_option("--weights", a_.weights, "Weights to begin with")->option_text("FILE.safetensors");
    c.add_flag("--check-finite", a_.check_finite,
               "End at the first NaN or infinity, and name its layer and replica");
  }

  void tracing(CLI::App& c) {
    auto* file = c.add_option("--trace", a_.trace,
                              "Record what every worker does, for Perfetto and `braid trace`")
                     ->option_text("FILE.json");
    c.add_option_function<std::string>(
         "--trace-steps",
         [this](auto& text) {
           std::tie(a_.trace_first, a_.trace_last) = split_range(text, "--trace-steps");
         },
         "Which steps; default: all, until the trace is full")
        ->needs(file)
        ->option_text("A..B");
  }

  void folding(CLI::App& c, const char* what) { c.add_flag("--fold-bn", a_.fold_bn, what); }

  void check() {
    auto& c = command("check", "Read and type-check a network", "NET");
    network(c);
    folding(c, "Show the network with its batch norms folded, and which of them stay");
  }

  void plan() {
    auto& c = command("plan", "Show the expanded plan: replicas, sync points, memory", "NET");
    network(c);
    deployment(c);
    phase(c);
    c.add_flag("--verbose", a_.verbose, "Every sync point, however many there are");
  }

  void phase(CLI::App& c) {
    c.add_option("--mode", a_.mode, "Which program: train (default) or eval")
        ->check(CLI::IsMember({"train", "eval"}))
        ->option_text("train|eval");
    c.add_option("--batch", a_.batch, "Samples of one step; default: the file's")
        ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
        ->option_text("N");
  }

  void draw() {
    auto& c = command("draw", "Draw the network, or its replicas on their devices", "NET");
    network(c);
    deployment(c);
    phase(c);
    c.add_option("--view", a_.view,
                 "What is drawn; default: all there is in JSON and HTML, else the network, or the "
                 "pipeline of a file that has only that")
        ->check(CLI::IsMember({"network", "replicas", "pipeline"}))
        ->option_text("network|replicas|pipeline");
    c.add_option("--format", a_.format, "Default: as the file's name ends, else dot")
        ->check(CLI::IsMember({"dot", "mermaid", "svg", "json", "html"}))
        ->option_text("dot|mermaid|svg|json|html");
    c.add_option("--trace", a_.trace, "Times of layers, shown as colour in HTML (Chrome trace)")
        ->option_text("FILE.json");
    c.add_flag("--backward", a_.backward, "Draw the backward pass and the optimizer, too");
    c.add_option("-o,--out", a_.out, "Default: stdout")->option_text("FILE");
  }

  void train() {
    auto& c = command("train", "Train a network", "NET");
    network(c);
    execution(c);
    c.add_option("--steps", a_.steps, "Optimizer steps, counted from the start of the run")
        ->check(CLI::Range(int64_t{0}, int64_t{1} << 50))
        ->option_text("N");
    c.add_option("--out", a_.out, "Where weights, checkpoints and the log go; default runs/<name>")
        ->option_text("DIR");
    resume_ = c.add_option("--resume", a_.resume_from,
                           "Go on from the newest checkpoint in DIR (default: that of --out)")
                  ->expected(0, 1)
                  ->option_text("[DIR]");
    c.add_flag("--exact", a_.exact, "Refuse to resume what another program wrote");
    tracing(c);
  }

  void bench() {
    auto& c = command("bench", "Time a step, and where it goes, on random numbers", "NET");
    network(c);
    execution(c);
    phase(c);
    c.add_option("--steps", a_.steps, "Steps to measure; default: as many as 3 seconds take")
        ->check(CLI::Range(int64_t{1}, int64_t{1} << 30))
        ->option_text("N");
  }

  void eval() {
    auto& c = command("eval", "Loss and metrics over data.test", "NET");
    network(c);
    execution(c);
    tracing(c);
    folding(c, "Fold batch norms into the layers before them");
  }

  void run() {
    auto& c = command(
        "run", "One pass over arrays (.npy) or pictures (.png) of any number, or over data", "NET");
    network(c);
    execution(c);
    tracing(c);
    folding(c, "Fold batch norms into the layers before them, those of named outputs left out");
    c.add_option_function<std::string>(
         "--input", [this](auto& text) { a_.inputs.push_back(split_pair(text, "--input")); },
         "An input's name and its array, or its pictures: A.png,B.png or a folder")
        ->option_text("NAME=FILE ...")
        ->trigger_on_parse();
    c.add_option_function<std::string>(
         "--output", [this](auto& text) { a_.outputs.push_back(output(text)); },
         "An output's or a layer's name and where it goes, .npy or .png (with --data: only the "
         "name)")
        ->option_text("NAME=FILE ...")
        ->trigger_on_parse();
    c.add_option("--data", a_.data, "Take the inputs from data.train or data.test of the file")
        ->check(CLI::IsMember({"train", "test"}))
        ->option_text("train|test");
    c.add_option("-o,--out", a_.out, "With --data: the folder for the outputs")->option_text("DIR");
    c.add_option("--mode", a_.run_mode,
                 "eval (default), or train: statistics of the batch, dropout; nothing is kept")
        ->check(CLI::IsMember({"eval", "train"}))
        ->option_text("eval|train");
  }

  void stream() {
    auto& c = command("stream", "Run the pipeline of a file: a stream of items through stages",
                      "FILE", true, "A file with a `pipeline:`");
    network(c);
    execution(c);
    tracing(c);
    c.add_option("--in-flight", a_.in_flight, "Items of a source that are under way at a time")
        ->check(CLI::Range(int64_t{1}, most_in_flight))
        ->option_text("N");
  }

  void export_net() {
    auto& c = command("export", "Write a network as ONNX: its eval mode, with weights", "NET");
    network(c);
    c.add_option("--weights", a_.weights, "Its weights; default: the file's")
        ->option_text("FILE.safetensors");
    folding(c, "Fold batch norms into the layers before them, those of named outputs left out");
    c.add_option("-o,--out", a_.out, "The ONNX file")->required()->option_text("FILE.onnx");
    c.add_option("--opset", a_.opset, "The version of ONNX's operators, 13 to 17 (default)")
        ->check(CLI::Range(13, 17))
        ->option_text("N");
    c.add_option_function<std::string>(
         "--output",
         [this](auto& text) {
           a_.outputs.push_back({text, ""});
         },
         "An output's or a layer's name; none: the outputs of the file")
        ->option_text("NAME ...")
        ->trigger_on_parse();
  }

  void import() {
    auto& c = command("import", "Make a network of an ONNX file, with its weights", "FILE.onnx",
                      true, "An ONNX file");
    c.add_option("-o,--out", a_.out, "The network file")->required()->option_text("NET.yaml");
    c.add_option("--weights", a_.weights, "Its weights; default: beside it, NET.safetensors")
        ->option_text("FILE.safetensors");
  }

  static std::pair<std::string, std::string> output(const std::string& text) {
    if (text.find('=') == std::string::npos) return {text, ""};
    return split_pair(text, "--output");
  }

  void lists() {
    auto& layers = command("layers", "Layers, losses, metrics and optimizers of this build", "TYPE",
                           false, "A type, such as Conv2d: shows its page");
    layers.add_flag("--markdown", a_.markdown, "All pages: docs/layers.md");
    plugins(layers);
    auto& test = command("test-layer", "Test a layer: kernels, gradient, replicas, equal bits",
                         "TYPE", true, "A type; its samples are what it is tested with");
    plugins(test);
    command("devices", "What this build and machine offer", nullptr);
    command("weights", "List the tensors of a safetensors file", "FILE.safetensors", true,
            "A safetensors file");
    auto& compare = command("compare", "Where two runs or two safetensors files differ", "A", true,
                            "What `train --out` has written, or a safetensors file");
    compare.add_option("B", a_.other, "Another one")->required()->option_text("(needed)");
    compare
        .add_option("--tolerance", a_.tolerance,
                    "Tensors whose max |a - b| / max |b| is not above this count as equal")
        ->check(CLI::NonNegativeNumber)
        ->option_text("T");
    command("trace", "Where the time of traced steps went: layers, sync points, critical path",
            "FILE.json", true, "What `train --trace` or `run --trace` has written");
    command("report", "A page of what a run left: curves, plan, environment", "RUN", true,
            "What `train --out` has written")
        .add_option("-o,--out", a_.out, "Default: stdout")
        ->option_text("FILE.html");
    command("explain", "What a diagnostic's code means", "CODE", true, "Such as E0203");
    auto& schema = *app_.add_subcommand("schema", "The JSON Schema of network files, for editors");
    schema.add_flag("--graph", a_.graph, "That of the pictures that draw --format json writes");
    schema.add_option("-o,--out", a_.out, "Default: stdout")->option_text("FILE");
    plugins(schema);
    app_.add_subcommand("completion", "What a shell reads to complete commands and options")
        ->add_option("bash|zsh|fish", a_.target, "Which shell")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}))
        ->option_text("(needed)");
    app_.add_subcommand("manual", "The page that man shows");
  }

  void plugins(CLI::App& c) {
    c.add_option("--plugins", a_.plugins, "With the types of these plug-ins, or of those of a file")
        ->delimiter(',')
        ->option_text("LIB.so|NET ...");
  }

  void fmt() {
    auto& c = *app_.add_subcommand("fmt", "Network files in their canonical form");
    c.add_option("NET", a_.files, "Network files; none: what stdin brings")->option_text("...");
    auto* in_place = c.add_flag("-i,--in-place", a_.in_place, "Write the files, not stdout");
    c.add_flag("--check", a_.only_check, "Only name the files that differ; exit code 1 if any does")
        ->excludes(in_place);
    c.add_flag("--json", a_.json, "Diagnostics as JSON");
  }

  // `--resume` alone takes up --out; `--resume NET`, with no other NET, was meant as NET.
  void settle_resume() {
    a_.resume = resume_->count() > 0;
    if (!a_.resume || !a_.target.empty()) return;
    if (!std::filesystem::is_directory(a_.resume_from))
      a_.target = std::exchange(a_.resume_from, {});
  }

  Arguments& a_;
  CLI::App app_;
  CLI::Option* resume_ = nullptr;
  std::map<std::string, std::string> needs_target_;
};

}  // namespace

CommandForms command_forms() {
  Arguments unused;
  return forms_of(Grammar(unused).app());
}

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  Grammar grammar(arguments);
  try {
    grammar.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    throw Leave{0, grammar.app().help()};
  } catch (const CLI::CallForAllHelp&) {
    throw Leave{0, grammar.app().help("", CLI::AppFormatMode::All)};
  } catch (const CLI::CallForVersion& version) {
    throw Leave{0, std::string(version.what()) + "\n"};
  } catch (const CLI::ParseError& error) {
    auto commands = grammar.app().get_subcommands();
    std::string help =
        commands.empty() ? "braid --help" : "braid " + commands.front()->get_name() + " --help";
    throw Leave{2, "error: " + std::string(error.what()) + "\n   help: " + help + "\n"};
  }
  return arguments;
}

}  // namespace braid::cli
