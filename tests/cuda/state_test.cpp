// Operations that write State, and those whose result depends on the step: updates and dropout.
#include "cuda/trial.h"

namespace braid::test {
namespace {

struct Update {
  std::string op;
  size_t arrays;
  Dict attrs;
};

std::vector<Update> updates() {
  const Dict momentum{{"momentum", 0.9}, {"weight_decay", 0.1}, {"dampening", 0.5}};
  const Dict nesterov{{"momentum", 0.9}, {"nesterov", true}, {"lr_scale", 0.5}};
  const Dict adam{{"betas", Attr::List{0.9, 0.999}}, {"eps", 1e-8}, {"weight_decay", 0.1}};
  return {{"sgd", 2, {{"weight_decay", 0.1}}},
          {"sgd_momentum", 3, momentum},
          {"sgd_momentum", 3, nesterov},
          {"adam", 4, adam},
          {"adam_amsgrad", 5, adam}};
}

TEST(CudaUpdates, AgreeWithTheReferenceInAllSizes) {
  for (auto& u : updates())
    for (int64_t n : {1, 3, 4, 1027, 70001})
      for (int64_t step : {0, 5}) {
        Trial trial{.op = u.op, .attrs = u.attrs, .in = {}, .out = {}, .from = 0.1, .to = 2};
        trial.in.assign(u.arrays, {DType::f32, {n}});
        auto parts = trial.parts({1});
        parts[0].scalars.step = step;
        CudaPart judged = parts[0];
        for (auto& t : judged.in) {
          t = std::make_shared<Tensor>(Operand{DType::f64, t->operand.dims});
          t->assign(parts[0].in[size_t(&t - judged.in.data())]->numbers());
        }
        OpCall call(u.op, {}, {}, u.attrs);
        call.device = "reference", call.scalars = parts[0].scalars;
        std::vector<void*> ins;
        for (auto& t : judged.in) {
          call.signature.in.push_back(t->operand);
          ins.push_back(t->data());
        }
        call.run(ins, {});
        rig().run(u.op, parts, u.attrs);
        for (size_t k = 0; k < u.arrays; ++k)
          trial.expect_near(parts[0].in[k]->numbers(), judged.in[k]->numbers(), 0, k);
      }
}

TEST(CudaUpdates, DoNothingAfterAFailure) {
  for (auto& u : updates()) {
    Trial trial{.op = u.op, .attrs = u.attrs, .in = {}, .out = {}};
    trial.in.assign(u.arrays, {DType::f32, {1027}});
    auto parts = trial.parts({1}), before = trial.parts({1});
    rig().run(u.op, parts, u.attrs, true, true);
    for (size_t k = 0; k < u.arrays; ++k)
      EXPECT_TRUE(same_bytes(*parts[0].in[k], *before[0].in[k])) << u.op << " " << k;
  }
}

TEST(CudaDropout, DropsWhatTheCpuDrops) {
  for (double p : {0.3, 1.0}) {
    const Dict attrs{{"p", p}, {"name", "some.dropout"}, {"rows_each", 2}};
    const Type type{DType::f32, {{2, true}, 3, 7}};
    Trial trial{.op = "dropout", .attrs = attrs, .in = {type}, .out = {type}};
    auto parts = trial.parts({1, 33, 2});
    rig().run("dropout", parts, attrs);
    for (auto& part : parts) {
      auto y = tensor(DType::f32, part.in[0]->operand.dims);
      OpCall call("dropout", {part.in[0]->operand}, {y->operand}, attrs);
      call.scalars = part.scalars, call.first_sample = part.first_sample;
      call.run({part.in[0]->data()}, {y->data()});
      EXPECT_TRUE(same_bytes(*y, *part.out[0])) << "from sample " << part.first_sample;
    }
  }
}

}  // namespace
}  // namespace braid::test
