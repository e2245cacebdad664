// Hooks on a network that was written in YAML.
#include <braid/runtime/session.h>

#include <cmath>
#include <cstdio>
#include <string>

using namespace braid;

int main(int argc, char** argv) {
  Hooks hooks;
  hooks.bind("greet", [](CallbackContext&, int copy_id) {
    std::printf("on_replicate  copy %d of bn1 is there\n", copy_id);
  });
  hooks.on_replicate(of_type("Linear"), [](CallbackContext& context, int copy_id) {
    if (copy_id == 0) context.emplace<int>(0);
    ++context.get<int>();
  });
  // Steps of the plan: each runs as soon as what it sees is there, on any thread of the pool. What
  // they have seen is printed after the step.
  std::string forward, stats;
  hooks.on_forward(at("fc2"),
                   [&](const HookVisit& v) {  // one call with all slices
                     forward = std::string(v.layer);
                     for (auto& slice : v.slices)
                       forward += "  replica " + std::to_string(slice.replica) + ": " +
                                  std::to_string(slice.values[0].dims[0]) + " rows";
                     forward += "  (" + std::to_string(v.context->get<int>()) + " copies)";
                   },
                   {.joined = true});
  hooks.on_stats(of_type("BatchNorm*"), [&](const HookVisit& v) {
    stats =
        std::string(v.layer) + " saw " + std::to_string(int(v.count()[0])) + " values per channel";
  });
  hooks.on_step(
      [](const HookVisit& v) {
        if (!std::isfinite(v.result("loss"))) throw std::runtime_error("the loss is not finite");
        std::printf("on_step       step %ld may be written\n", long(v.step));
      },
      "guard");
  try {
    auto session = Session::open(argc > 1 ? argv[1] : "hooks.yaml",
                                 {.devices = {"cpu:0", "cpu:1"}, .hooks = hooks});
    Array x = Array::zeros(DType::f32, {5, 4}), label = Array::zeros(DType::i64, {5});
    for (size_t i = 0; i < 20; ++i) x.as<float>()[i] = float(i % 7);
    session.step({{"x", x}, {"label", label}});
    std::printf("on_stats      %s\non_forward    %s\n", stats.c_str(), forward.c_str());
    x.as<float>()[0] = NAN;
    session.step({{"x", x}, {"label", label}});
  } catch (const Error& error) {
    std::printf("%s\n", error.diagnostics().front().message.c_str());
  }
}
