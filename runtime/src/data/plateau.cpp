#include <cmath>
#include <cstdlib>

#include <braid/core/attr.h>
#include <braid/runtime/schedule.h>

namespace braid {

// In the order of torch.optim.lr_scheduler.ReduceLROnPlateau.step.
bool Plateau::see(int64_t step, double loss) {
  seen_at_ = step;
  const double bound = rule_.relative ? best_ * (1 - rule_.threshold) : best_ - rule_.threshold;
  if (loss < bound) {
    best_ = loss;
    bad_ = 0;
  } else {
    ++bad_;
  }
  if (cooling_ > 0) {
    --cooling_;
    bad_ = 0;
  }
  if (bad_ <= rule_.patience) return false;
  cooling_ = rule_.cooldown;
  bad_ = 0;
  ++falls_;
  return true;
}

void Plateau::store(const std::string& name, std::map<std::string, std::string>& metadata) const {
  metadata[name + ".best"] = std::isfinite(best_) ? shortest(best_) : std::to_string(best_);
  metadata[name + ".bad"] = std::to_string(bad_);
  metadata[name + ".cooling"] = std::to_string(cooling_);
  metadata[name + ".falls"] = std::to_string(falls_);
  metadata[name + ".seen_at"] = std::to_string(seen_at_);
}

void Plateau::restore(const std::string& name, const std::map<std::string, std::string>& metadata) {
  if (!metadata.contains(name + ".falls")) return;  // it went by another schedule
  auto text = [&](const char* key) { return metadata.at(name + key); };
  auto whole = [&](const char* key) { return std::strtoll(text(key).c_str(), nullptr, 10); };
  best_ = std::strtod(text(".best").c_str(), nullptr);
  bad_ = whole(".bad");
  cooling_ = whole(".cooling");
  falls_ = whole(".falls");
  seen_at_ = whole(".seen_at");
}

}  // namespace braid
