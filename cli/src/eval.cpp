// `braid eval NET --weights W`: loss and metrics over data.test.
#include <fmt/format.h>

#include "commands.h"
#include "json.h"
#include "network.h"
#include "output.h"
#include "progress.h"
#include "tracing.h"

namespace braid::cli {

int eval_command(const Arguments& a) {
  auto [session, fold] = open_inference(a);
  auto& model = session.model();
  if (!model.test_data)
    throw Error(Fault::model, "E0704", "evaluation needs `data: {test: ...}`", model.mark);
  auto source = DataSource::open(*model.test_data, model.inputs, model.folder, model.seed);
  TraceFile trace(a, session);
  StepReport r = session.evaluate(source);
  trace.finish();
  if (a.json) {
    Json all = {
        {"name", model.name}, {"samples", source.size()}, {"loss", r.loss}, {"metrics", r.metrics}};
    if (fold) all["fold"] = to_json(*fold);
    print(line(all));
    return 0;
  }
  std::string text = fmt::format("samples   {}\n", source.size());
  if (!r.losses.empty()) text += fmt::format("loss      {}\n", short_number(r.loss));
  for (auto& [name, value] : r.metrics)
    text += fmt::format("{:<8}  {}\n", name, short_number(value));
  print(text);
  return 0;
}

}  // namespace braid::cli
