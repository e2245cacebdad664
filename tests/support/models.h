// Small models built in C++, and batches of random data, for the tests.
#pragma once
#include <string>
#include <vector>

#include <braid/core/model.h>
#include <braid/core/random.h>
#include <braid/runtime/session.h>

namespace braid::test {

/// A chain of layers with a cross entropy, accuracy and SGD at its end.
class Chain {
 public:
  Chain(Shape image, int64_t replicas) {
    model_.name = "chain";
    model_.seed = 3;
    model_.replicas = replicas;
    model_.batch.global = 32;
    model_.inputs = {{"image", {DType::f32, std::move(image)}}, {"label", {DType::i64, {N}}}};
    source_ = std::make_shared<Source>(Source{"net.yaml", ""});
    model_.mark = {source_, 1, 1};
  }

  Chain& add(std::string path, std::string type, Dict params = {}) {
    LayerItem item{.path = std::move(path), .type = std::move(type), .params = std::move(params)};
    item.from = {model_.layers.empty() ? Link::input(0) : Link::layer(last())};
    item.mark = item.type_mark = {source_, int(model_.layers.size()) + 10, 5};
    model_.layers.push_back(std::move(item));
    return *this;
  }

  LayerItem& back() { return model_.layers.back(); }
  int last() const { return int(model_.layers.size()) - 1; }

  Model done(double momentum = 0.9) {
    std::vector<Link> from = {Link::layer(last()), Link::input(1)};
    Mark mark{source_, 90, 1};
    model_.outputs = {{"logits", Link::layer(last())}};
    model_.losses = {{.name = "loss", .type = "CrossEntropy", .from = from, .mark = mark}};
    model_.metrics = {{.name = "accuracy", .type = "Accuracy", .from = from, .mark = mark}};
    model_.optimizer = TypedDict{
        .type = "SGD",
        .params = {
            {"lr", 0.1}, {"momentum", momentum}, {"weight_decay", 5e-4}, {"nesterov", true}}};
    return model_;
  }

 private:
  Model model_;
  std::shared_ptr<Source> source_;
};

/// Linear, batch norm, ReLU, dropout, a shared Linear: 10 classes from 20 features.
inline Model mlp(int64_t replicas, int sync = 0) {
  Chain chain({N, 20}, replicas);
  chain.add("fc1", "Linear", {{"out_features", 24}}).add("bn1", "BatchNorm1d");
  chain.back().sync = sync;
  chain.add("relu1", "ReLU").add("drop", "Dropout", {{"p", 0.25}});
  chain.add("fc2", "Linear", {{"out_features", 24}}).add("relu2", "ReLU");
  chain.add("again", "Linear");
  chain.back().share = 4;
  chain.add("bn2", "BatchNorm1d").add("relu3", "ReLU");
  chain.add("fc3", "Linear", {{"out_features", 10}});
  return chain.done();
}

/// Sequences of 6 tokens: rows of a table, scaled by learned numbers, some of them a slice of more;
/// attention of two heads, a residual, the mean over the sequence.
inline Model attention(int64_t replicas) {
  Chain chain({N, 6}, replicas);
  auto add = [&](const char* path, const char* type, std::vector<int> from, Dict params) {
    chain.add(path, type, std::move(params));
    chain.back().from.clear();
    for (int layer : from) chain.back().from.push_back(Link::layer(layer));
    return chain.last();
  };
  chain.add("embed", "Embedding", {{"num_embeddings", 10}, {"embedding_dim", 8}});
  const Dict law = {{"weight", Attr(Dict{{"normal", Attr(Dict{{"std", 0.5}})}})}};
  const int gain = add("gain", "Parameter", {}, {{"shape", Attr::List{6, 8}}});
  chain.back().init = law;
  const int table = add("table", "Parameter", {}, {{"shape", Attr::List{1, 9, 8}}});
  chain.back().init = law;
  const int part = add("part", "Slice", {table}, {{"start", 2}, {"end", 8}});
  const int scaled = add("scaled", "Einsum", {0, gain, part}, {{"equation", "nld,ld,xld->nld"}});
  const int heads = add("attn", "MultiheadAttention", {scaled, scaled, scaled},
                        {{"num_heads", 2}, {"dropout", 0.2}, {"batch_first", true}});
  add("sum", "Add", {heads, scaled}, {});
  chain.add("mean", "Mean", {{"dim", 1}}).add("fc", "Linear", {{"out_features", 10}});
  Model model = chain.done();
  model.inputs[0].type.dtype = DType::i64;
  return model;
}

/// The example's network in small: two convolutions with batch norm, pooling, two Linear.
inline Model convnet(int64_t replicas, int sync = 0) {
  Chain chain({N, 1, 12, 12}, replicas);
  chain.add("conv1", "Conv2d",
            {{"out_channels", 16}, {"kernel_size", 5}, {"padding", 2}, {"bias", false}});
  chain.add("bn1", "BatchNorm2d");
  chain.back().sync = sync;
  chain.add("relu1", "ReLU").add("pool1", "MaxPool2d", {{"kernel_size", 2}});
  chain.add("conv2", "Conv2d", {{"out_channels", 20}, {"kernel_size", 3}, {"padding", 1}});
  chain.add("bn2", "BatchNorm2d").add("relu2", "ReLU");
  chain.add("pool2", "AvgPool2d", {{"kernel_size", 2}}).add("flat", "Flatten");
  chain.add("fc1", "Linear", {{"out_features", 32}}).add("tanh", "Tanh");
  chain.add("fc2", "Linear", {{"out_features", 10}});
  return chain.done();
}

/// A U-Net of one level in small: down, up by a transposed convolution, side by side with what was
/// there before; then both ways of Upsample.
inline Model unet(int64_t replicas) {
  Chain chain({N, 1, 10, 6}, replicas);
  auto conv = [&](const std::string& name, int64_t channels) {
    chain.add(name, "Conv2d",
              {{"out_channels", channels}, {"kernel_size", 3}, {"padding", 1}, {"bias", false}});
    chain.add("bn_" + name, "BatchNorm2d").add("relu_" + name, "ReLU");
    return chain.last();
  };
  const int skip = conv("inc", 16);
  chain.add("pool", "MaxPool2d", {{"kernel_size", 2}});
  conv("down", 32);
  chain.add("up", "ConvTranspose2d", {{"out_channels", 16}, {"kernel_size", 2}, {"stride", 2}});
  const int up = chain.last();
  chain.add("side", "Concat", {{"dim", 1}});
  chain.back().from = {Link::layer(skip), Link::layer(up)};
  conv("out", 20);
  chain.add("more", "Upsample", {{"scale_factor", 1.5}, {"mode", "bilinear"}});
  chain.add("padded", "ConvTranspose2d",
            {{"out_channels", 6}, {"kernel_size", 3}, {"stride", 2}, {"padding", 1}});
  chain.add("less", "Upsample", {{"size", Attr::List{8, 5}}}).add("flat", "Flatten");
  chain.add("fc", "Linear", {{"out_features", 10}});
  return chain.done();
}

/// Two convolutions and a shortcut with one: its batch norm is ready when the first of the main
/// branch is, and its gradient when that of the second is.
inline Model residual(int64_t replicas, int sync = 0) {
  Chain chain({N, 3, 8, 8}, replicas);
  Dict conv = {{"out_channels", 16}, {"kernel_size", 3}, {"padding", 1}, {"bias", false}};
  auto norm = [&](std::string path, std::string type) {
    chain.add(std::move(path), std::move(type));
    chain.back().sync = sync;
  };
  chain.add("conv1", "Conv2d", conv);
  norm("bn1", "BatchNorm2d");
  chain.add("relu1", "ReLU").add("conv2", "Conv2d", conv);
  norm("bn2", "BatchNorm2d");
  int main = chain.last();
  chain.add("short", "Conv2d", {{"out_channels", 16}, {"kernel_size", 1}, {"bias", false}});
  chain.back().from = {Link::input(0)};
  norm("short_bn", "BatchNorm2d");
  chain.add("add", "Add");
  chain.back().from.push_back(Link::layer(main));
  chain.add("relu2", "ReLU").add("pool", "AvgPool2d", {{"kernel_size", 4}}).add("flat", "Flatten");
  chain.add("fc", "Linear", {{"out_features", 10}});
  return chain.done();
}

/// A batch of the model's inputs: normal numbers, labels below 10.
struct RandomBatch {
  std::vector<std::vector<std::byte>> bytes;
  std::vector<const void*> pointers;

  RandomBatch(const Model& model, int64_t n, uint64_t key) {
    for (auto& input : model.inputs) {
      auto count = size_t(input.type.elements(n));
      bytes.emplace_back(size_t(input.type.bytes(n)));
      for (size_t i = 0; i < count; ++i)
        if (input.type.dtype == DType::f32)
          reinterpret_cast<float*>(bytes.back().data())[i] = float(normal(key, i));
        else
          reinterpret_cast<int64_t*>(bytes.back().data())[i] = int64_t(uniform_below(key, i, 10));
      ++key;
    }
    for (auto& b : bytes) pointers.push_back(b.data());
  }
};

/// What must not depend on the deployment: after some steps, every bit of State on every device,
/// every merged value of every step, every loss.
struct Trace {
  std::vector<uint64_t> states;
  std::vector<std::vector<SyncDigest>> syncs;
  std::vector<double> losses;
  uint64_t program = 0;
};

inline Trace run_steps(Session& session, const std::vector<int64_t>& batches) {
  Trace trace;
  for (size_t i = 0; i < batches.size(); ++i) {
    RandomBatch batch(session.model(), batches[i], 100 + 10 * i);
    trace.losses.push_back(session.step(batch.pointers, batches[i], 0.1).loss);
    trace.syncs.push_back(session.executor(Mode::train, batches[i]).digests());
  }
  for (int d = 0; d < session.state().devices(); ++d)
    trace.states.push_back(session.state().digest(d));
  trace.program = session.plan(Mode::train, batches[0]).program_hash;
  return trace;
}

/// "" or the first thing that differs. In another program nodes have other numbers.
inline std::string difference(Session& session, const Trace& a, const Trace& b,
                              bool same_program = true) {
  auto same = [&](SyncDigest x, const SyncDigest& y) {
    if (!same_program) x.node = y.node;
    return x == y;
  };
  for (size_t i = 0; i < a.syncs.size(); ++i) {
    if (a.syncs[i].size() != b.syncs[i].size()) return "another number of merges";
    for (size_t k = 0; k < a.syncs[i].size(); ++k)
      if (!same(a.syncs[i][k], b.syncs[i][k])) {
        auto& plan = session.plan(Mode::train, 32);
        auto node = size_t(a.syncs[i][k].node);
        return "step " + std::to_string(i) + ", merge " + std::to_string(a.syncs[i][k].lo) + ".." +
               std::to_string(a.syncs[i][k].hi) + " of " +
               (node < plan.nodes.size() ? plan.nodes[node].label : "?");
      }
  }
  if (a.losses != b.losses) return "losses";
  for (uint64_t s : b.states)
    if (s != a.states[0]) return "state";
  if (same_program && a.program != b.program) return "program hash";
  return "";
}

inline std::vector<std::string> cpus(int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back("cpu:" + std::to_string(i));
  return names;
}

}  // namespace braid::test
