#include "gains.h"

#include <cmath>
#include <cstdlib>

#include <braid/core/attr.h>
#include <braid/core/error.h>

namespace braid {

bool Gains::see(int64_t step, const std::map<std::string, double>& measured) {
  auto found = measured.find(by_.metric);
  if (found == measured.end())
    throw Error(Fault::model, "E0083", "keep_best: no metric is called '" + by_.metric + "'",
                by_.mark);
  const double value = found->second;
  evaluated_at_ = step;
  const bool better = by_.larger ? value > best_ : value < best_;
  if (std::isnan(value) || (best_step_ > 0 && !better)) {
    ++without_;
    return false;
  }
  best_ = value;
  best_step_ = step;
  without_ = 0;
  return true;
}

void Gains::store(std::map<std::string, std::string>& metadata) const {
  if (!counted_) return;
  metadata["best_by"] = by_.metric;
  metadata["best"] = std::isfinite(best_) ? shortest(best_) : std::to_string(best_);
  metadata["best_step"] = std::to_string(best_step_);
  metadata["evaluated_at"] = std::to_string(evaluated_at_);
  metadata["evals_without_gain"] = std::to_string(without_);
}

void Gains::restore(const std::map<std::string, std::string>& metadata) {
  auto text = [&](const char* key) {
    auto found = metadata.find(key);
    return found == metadata.end() ? std::string("0") : found->second;
  };
  if (text("best_by") != by_.metric) return;  // it goes by another number now
  best_ = std::strtod(text("best").c_str(), nullptr);
  best_step_ = std::strtoll(text("best_step").c_str(), nullptr, 10);
  evaluated_at_ = std::strtoll(text("evaluated_at").c_str(), nullptr, 10);
  without_ = std::strtoll(text("evals_without_gain").c_str(), nullptr, 10);
}

}  // namespace braid
