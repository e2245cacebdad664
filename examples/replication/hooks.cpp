// Hooks on a network that was written in YAML.
#include <braid/runtime/session.h>

#include <cmath>
#include <cstdio>

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
  hooks.on_forward(at("fc2"),
                   [](const HookVisit& v) {  // one call with the slices of all replicas
                     std::printf("on_forward    %s", std::string(v.layer).c_str());
                     for (auto& slice : v.slices)
                       std::printf("  replica %d: %ld rows", slice.replica,
                                   long(slice.values[0].dims[0]));
                     std::printf("  (%d copies)\n", v.context->get<int>());
                   },
                   {.joined = true});
  hooks.on_stats(of_type("BatchNorm*"), [](const HookVisit& v) {
    std::printf("on_stats      %s saw %g values per channel\n", std::string(v.layer).c_str(),
                v.count()[0]);
  });
  hooks.on_step([](const HookVisit& v) {
    if (!std::isfinite(v.result("loss"))) throw std::runtime_error("the loss is not finite");
    std::printf("on_step       %ld may be written\n", long(v.step));
  });
  try {
    auto session = Session::open(argc > 1 ? argv[1] : "hooks.yaml",
                                 {.devices = {"cpu:0", "cpu:1"}, .hooks = hooks});
    Array x = Array::zeros(DType::f32, {5, 4}), label = Array::zeros(DType::i64, {5});
    for (size_t i = 0; i < 20; ++i) x.as<float>()[i] = float(i % 7);
    session.step({{"x", x}, {"label", label}});
    x.as<float>()[0] = NAN;
    session.step({{"x", x}, {"label", label}});
  } catch (const Error& error) {
    std::printf("%s\n", error.diagnostics().front().message.c_str());
  }
}
