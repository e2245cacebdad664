#include "totals.h"

#include <algorithm>

namespace braid {

void Totals::add(const Executor& executor) {
  auto& results = executor.plan().results;
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].kind != Result::Kind::loss && results[i].kind != Result::Kind::metric) continue;
    const auto more = executor.totals(i);
    auto& totals = by_name_[results[i].name];
    totals.resize(std::max(totals.size(), more.size()));
    for (size_t k = 0; k < more.size(); ++k) totals[k] += more[k];
  }
}

double Totals::mean(const TermDecl& term, const std::vector<double>& totals) const {
  const LayerDef* def = registry_.layer(term.type);
  if (def && def->finish) return def->finish(totals);
  return totals.size() > 1 && totals[1] > 0 ? totals[0] / totals[1] : 0;
}

double Totals::finish(const std::string& name, const std::vector<double>& totals) const {
  for (auto* terms : {&model_.losses, &model_.metrics})
    for (auto& term : *terms)
      if (term.name == name) return mean(term, totals);
  bug("no loss or metric is called '" + name + "'");
}

StepReport Totals::report() const {
  StepReport report;
  for (auto& loss : model_.losses)
    if (auto found = by_name_.find(loss.name); found != by_name_.end())
      report.loss += loss.factor * (report.losses[loss.name] = mean(loss, found->second));
  for (auto& metric : model_.metrics)
    if (auto found = by_name_.find(metric.name); found != by_name_.end())
      report.metrics[metric.name] = mean(metric, found->second);
  return report;
}

}  // namespace braid
