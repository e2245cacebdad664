#include "math/program.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <braid/core/error.h>

#include "math/steps.h"

namespace braid::math {
namespace {

struct Row {
  const char* name;
  int operands;
};
constexpr std::array<Row, 24> rows = {
    {{"input", 0},      {"constant", 0}, {"add", 2},       {"subtract", 2}, {"multiply", 2},
     {"divide", 2},     {"power", 2},    {"min", 2},       {"max", 2},      {"less", 2},
     {"less_equal", 2}, {"equal", 2},    {"not_equal", 2}, {"choose", 3},   {"negate", 1},
     {"abs", 1},        {"exp", 1},      {"log", 1},       {"sqrt", 1},     {"sin", 1},
     {"cos", 1},        {"tanh", 1},     {"erf", 1},       {"sigmoid", 1}}};
static_assert(size_t(Op::sigmoid) + 1 == rows.size());

const Row& row(Op op) { return rows[size_t(op)]; }

Op op_of(const std::string& name) {
  auto found = std::ranges::find(rows, name, [](const Row& r) { return std::string(r.name); });
  ensure(found != rows.end(), "a Math program is malformed");
  return Op(found - rows.begin());
}

}  // namespace

int operands(Op op) { return row(op).operands; }

Attr to_attr(const Program& program) {
  Attr::List list;
  for (const Step& s : program) {
    Attr::List step = {row(s.op).name};
    if (s.op == Op::input) step.push_back(int(s.a));
    if (s.op == Op::constant) step.push_back(s.value);
    const uint8_t reads[] = {s.a, s.b, s.c};
    for (int k = 0; k < operands(s.op); ++k) step.push_back(int(reads[k]));
    list.push_back(std::move(step));
  }
  return list;
}

Program program_of(const Attr& attr) {
  Program program;
  for (const Attr& entry : attr.as_list()) {
    auto& list = entry.as_list();
    Step s{.op = op_of(list[0].as_text())};
    uint8_t* reads[] = {&s.a, &s.b, &s.c};
    if (s.op == Op::constant)
      s.value = list[1].as_double();
    else
      for (size_t k = 1; k < list.size(); ++k) *reads[k - 1] = uint8_t(list[k].as_int());
    program.push_back(s);
  }
  return program;
}

std::vector<size_t> compact(Program& program) {
  std::vector<size_t> used;
  for (const Step& s : program)
    if (s.op == Op::input) used.push_back(s.a);
  std::ranges::sort(used);
  for (Step& s : program)
    if (s.op == Op::input) s.a = uint8_t(std::ranges::find(used, size_t(s.a)) - used.begin());
  return used;
}

double apply(Op op, double a, double b, double c) {
  switch (op) {
    case Op::add:
      return a + b;
    case Op::subtract:
      return a - b;
    case Op::multiply:
      return a * b;
    case Op::divide:
      return a / b;
    case Op::power:
      return std::pow(a, b);
    case Op::min:
      return std::isnan(a) || a < b ? a : b;
    case Op::max:
      return std::isnan(a) || a > b ? a : b;
    case Op::less:
      return a < b;
    case Op::less_equal:
      return a <= b;
    case Op::equal:
      return a == b;
    case Op::not_equal:
      return a != b;
    case Op::choose:
      return a != 0 ? b : c;
    case Op::negate:
      return -a;
    case Op::abs:
      return std::fabs(a);
    case Op::exp:
      return std::exp(a);
    case Op::log:
      return std::log(a);
    case Op::sqrt:
      return std::sqrt(a);
    case Op::sin:
      return std::sin(a);
    case Op::cos:
      return std::cos(a);
    case Op::tanh:
      return std::tanh(a);
    case Op::erf:
      return std::erf(a);
    case Op::sigmoid:
      return 1 / (1 + std::exp(-a));
    case Op::input:
    case Op::constant:
      break;
  }
  bug("a step of Math without operands is none to apply");
}

int Steps::add(Step step) {
  const uint8_t reads[] = {step.a, step.b, step.c};
  const int count = operands(step.op);
  bool known = count > 0;
  for (int k = 0; k < count; ++k) known &= is_constant(reads[k]);
  if (known) {
    auto at = [&](int k) { return k < count ? (*this)[reads[k]].value : 0; };
    step = {.op = Op::constant, .value = apply(step.op, at(0), at(1), at(2))};
  }
  auto found = std::ranges::find(steps_, step);
  if (found != steps_.end()) return int(found - steps_.begin());
  if (steps_.size() >= 255) throw Mistake{0, 0, "is too long", "cut it into two Math layers"};
  steps_.push_back(step);
  return int(steps_.size()) - 1;
}

Program Steps::program(int result) const {
  std::vector<bool> needed(steps_.size(), false);
  needed[size_t(result)] = true;
  for (size_t i = size_t(result) + 1; i-- > 0;) {
    const uint8_t reads[] = {steps_[i].a, steps_[i].b, steps_[i].c};
    for (int k = 0; k < operands(steps_[i].op); ++k)
      if (needed[i]) needed[reads[k]] = true;
  }
  Program program;
  std::vector<uint8_t> now(steps_.size());
  for (size_t i = 0; i <= size_t(result); ++i) {
    if (!needed[i]) continue;
    now[i] = uint8_t(program.size());
    Step s = steps_[i];
    uint8_t* reads[] = {&s.a, &s.b, &s.c};
    for (int k = 0; k < operands(s.op); ++k) *reads[k] = now[*reads[k]];
    program.push_back(s);
  }
  if (program.size() > most_steps)
    throw Mistake{0, 0, "is too long: it takes " + std::to_string(program.size()) + " steps",
                  "cut it into two Math layers"};
  return program;
}

}  // namespace braid::math
