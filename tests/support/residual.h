// A residual network in small, with what makes recomputation hard: skips that cross segments,
// dropout, pooling with indices, batch norm before ReLU and without, a skip that is concatenated.
#pragma once
#include "support/models.h"

namespace braid::test {

inline Model residual(int64_t replicas, bool recompute, int sync = 0, bool dropout = true) {
  Chain chain({N, 3, 12, 12}, replicas);
  std::string segment;
  auto add = [&](std::string path, std::string type, Dict params = {}) {
    chain.add(std::move(path), type, std::move(params));
    if (type.starts_with("BatchNorm")) chain.back().sync = sync;
    chain.back().recompute = recompute && segment != "kept";
    chain.back().segment = segment;
    return chain.last();
  };
  auto conv = [&](std::string path, int64_t channels) {
    return add(std::move(path), "Conv2d",
               {{"out_channels", channels}, {"kernel_size", 3}, {"padding", 1}, {"bias", false}});
  };
  auto block = [&](const std::string& name, int skip, const std::string& last) {
    segment = name;
    conv(name + ".conv1", 16), add(name + ".bn1", "BatchNorm2d"), add(name + ".relu1", "ReLU");
    if (dropout) add(name + ".drop", "Dropout", {{"p", 0.25}});
    conv(name + ".conv2", 16), add(name + ".bn2", "BatchNorm2d");
    add(name + ".add", "Add");
    chain.back().from.push_back(Link::layer(skip));
    return add(name + ".out", last);
  };
  segment = "kept";
  conv("stem", 16), add("bn", "BatchNorm2d");
  int stem = add("relu", "ReLU");
  int one = block("one", stem, "ReLU");
  segment = "down";
  add("down.bn", "BatchNorm2d"), add("down.relu", "ReLU");
  int pool = add("down.pool", "MaxPool2d", {{"kernel_size", 2}});
  block("two", pool, "LeakyReLU");
  segment = "end";
  add("end.conv", "Conv2d", {{"out_channels", 24}, {"kernel_size", 3}, {"padding", 1}});
  int wide = add("end.tanh", "Tanh");
  segment = "kept";
  add("skip", "AvgPool2d", {{"kernel_size", 2}});
  chain.back().from = {Link::layer(one)};
  add("join", "Concat");
  chain.back().from.push_back(Link::layer(wide));
  add("flat", "Flatten");
  segment = "head";
  add("head.fc", "Linear", {{"out_features", 32}, {"bias", false}}), add("head.bn", "BatchNorm1d");
  add("head.sigmoid", "Sigmoid");
  segment = "kept";
  add("fc", "Linear", {{"out_features", 10}});
  return chain.done();
}

}  // namespace braid::test
