// `braid test-layer TYPE`: what the layers that come with Braid have to satisfy, of any layer.
#include "conformance/conformance.h"

#include <set>

#include "commands.h"
#include "json.h"
#include "network.h"
#include "output.h"

namespace braid::cli {
namespace {

using test::Case;

struct Check {
  const char* name;
  const char* says;
  std::set<Role> roles;
  std::string (*run)(const Case&);  ///< what is wrong; "" = nothing
};

const std::set<Role> computes = {Role::layer, Role::loss, Role::metric};

const Check checks[] = {
    {"kernels", "f32 kernels agree with the f64 reference in training and in eval", computes,
     [](const Case& c) {
       for (Mode mode : {Mode::train, Mode::eval})
         for (int64_t batch : {5, 1})
           if (mode == Mode::eval || batch == 5)
             if (auto bad = test::check_kernels(c, mode, batch); !bad.empty()) return bad;
       return std::string();
     }},
    {"gradient",
     "the gradient is that of finite differences, in f64",
     {Role::layer, Role::loss},
     test::check_gradient},
    {"replicas", "replicas together give what one gives", computes, test::check_replicas},
    {"equal bits", "two runs, and one in place, give the same bits", computes,
     test::check_repeatable},
    {"slices", "in eval a sample's bits do not depend on its batch", computes, test::check_company},
    {"formats", "inputs in blocked memory formats give the same", computes, test::check_formats},
    {"totals",
     "what it counts adds up over batches",
     {Role::loss, Role::metric},
     test::check_totals},
    {"updates",
     "three updates agree with the f64 reference",
     {Role::optimizer},
     test::check_update},
};

struct Verdict {
  const Check* check;
  Case sample;
  std::string wrong;
};

// A layer that throws where it is tested is wrong, and no fault of ours.
std::string run(const Check& check, const Case& c) {
  try {
    return check.run(c);
  } catch (const Error& e) {
    return e.diagnostics().front().message;
  } catch (const std::exception& e) {
    return e.what();
  }
}

std::vector<Case> samples_of(const LayerDef& def, const Registry& registry) {
  std::vector<Case> samples;
  for (auto& c : test::cases(registry, {def.role}))
    if (c.def == &def) samples.push_back(c);
  return samples;
}

const LayerDef& named(const std::string& name, const Registry& registry) {
  if (auto* def = registry.layer(name)) return *def;
  std::vector<std::string> known;
  for (Role role : {Role::layer, Role::loss, Role::metric, Role::optimizer})
    for (auto& type : registry.layers(role)) known.push_back(type);
  throw Error(Fault::usage, "E0706",
              "this build knows no type '" + name + "'" + did_you_mean(name, known))
      .help("--plugins LIB.so adds the types of a plug-in");
}

Json as_json(const Verdict& v) {
  return {{"check", v.check->name},
          {"sample", v.sample.name()},
          {"passed", v.wrong.empty()},
          {"wrong", v.wrong}};
}

}  // namespace

int test_layer_command(const Arguments& a) {
  constexpr int differs = 1;
  const Registry registry = registry_with(a.plugins);
  const LayerDef& def = named(a.target, registry);
  if (def.samples.empty())
    throw Error(Fault::model, "E0127", "type '" + def.name + "' has no samples to be tested with")
        .help(".samples = {{.inputs = {{DType::f32, {N, 3, 7, 5}}}}}");
  std::vector<Verdict> verdicts;
  for (auto& check : checks)
    if (check.roles.contains(def.role))
      for (auto& c : samples_of(def, registry)) verdicts.push_back({&check, c, run(check, c)});
  size_t failed = 0;
  Table table({"check", "sample", "", "what it says"});
  Json all = Json::array();
  for (auto& v : verdicts) {
    failed += !v.wrong.empty();
    table.row({v.check->name, v.sample.name(), v.wrong.empty() ? "ok" : "FAILED",
               v.wrong.empty() ? v.check->says : v.wrong});
    all.push_back(as_json(v));
  }
  if (a.json)
    print(line({{"type", def.name}, {"failed", failed}, {"checks", all}}));
  else
    print(table.text() + "\n" + def.name + ": " + std::to_string(verdicts.size() - failed) +
          " of " + std::to_string(verdicts.size()) + " checks passed\n");
  return failed ? differs : 0;
}

}  // namespace braid::cli
