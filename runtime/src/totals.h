// What losses and metrics add up to over micro-batches and batches, and the numbers users see.
#pragma once
#include <map>
#include <string>
#include <vector>

#include <braid/runtime/session.h>

namespace braid {

class Totals {
 public:
  Totals(const Model& model, const Registry& registry) : model_(model), registry_(registry) {}

  /// Adds the totals of one run.
  void add(const Executor& executor);
  StepReport report() const;
  /// What users see of the totals of this loss or metric.
  double finish(const std::string& name, const std::vector<double>& totals) const;

 private:
  double mean(const TermDecl& term, const std::vector<double>& totals) const;

  const Model& model_;
  const Registry& registry_;
  std::map<std::string, std::vector<double>> by_name_;
};

}  // namespace braid
