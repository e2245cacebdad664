#include <braid/core/network.h>

#include <algorithm>
#include <utility>

#include <braid/core/error.h>

namespace braid {

Network::Network(std::string name) { model_.name = std::move(name); }

Network& Network::replicas(int64_t count) {
  model_.replicas = count;
  return *this;
}

Network& Network::batch(int64_t global, int64_t accumulate) {
  model_.batch.global = global;
  model_.batch.accumulate = accumulate;
  return *this;
}

Network& Network::seed(uint64_t seed) {
  model_.seed = seed;
  return *this;
}

Mark Network::at(const char* file, int line) {
  auto known = std::ranges::find(sources_, file, [](auto& source) { return source->name; });
  if (known != sources_.end()) return {*known, line};
  sources_.push_back(std::make_shared<const Source>(Source{file, ""}));
  return {sources_.back(), line};
}

TypedDict Network::typed(std::string type, Dict params, const char* file, int line) {
  return {std::move(type), std::move(params), at(file, line), at(file, line)};
}

TermDecl Network::term(std::string name, std::string type, Links from, Dict params,
                       Mark mark) const {
  return {.name = std::move(name),
          .type = std::move(type),
          .params = std::move(params),
          .from = std::move(from),
          .mark = mark,
          .type_mark = mark};
}

Link Network::input(std::string name, DType dtype, Shape shape, const char* file, int line) {
  model_.inputs.push_back({std::move(name), {dtype, std::move(shape)}, at(file, line)});
  return Link::input(int(model_.inputs.size()) - 1);
}

Link Network::layer(std::string path, std::string type, Links from, Dict params, const char* file,
                    int line) {
  const Mark mark = at(file, line);
  auto taken = std::ranges::find(model_.layers, path, &LayerItem::path);
  if (taken != model_.layers.end())
    throw Error(Fault::model, "E0052", "two layers are called '" + path + "'", mark)
        .note(taken->mark, "the first");
  for (Link& link : from) link.mark = mark;
  model_.layers.push_back({.path = std::move(path),
                           .type = std::move(type),
                           .params = std::move(params),
                           .from = std::move(from),
                           .mark = mark,
                           .type_mark = mark});
  return Link::layer(int(model_.layers.size()) - 1);
}

Network& Network::output(std::string name, Link from, const char* file, int line) {
  model_.outputs.push_back({std::move(name), std::move(from), at(file, line)});
  return *this;
}

Network& Network::loss(std::string type, Links from, Dict params, std::string name,
                       const char* file, int line) {
  model_.losses.push_back(
      term(std::move(name), std::move(type), std::move(from), std::move(params), at(file, line)));
  return *this;
}

Network& Network::metric(std::string name, std::string type, Links from, Dict params,
                         const char* file, int line) {
  model_.metrics.push_back(
      term(std::move(name), std::move(type), std::move(from), std::move(params), at(file, line)));
  return *this;
}

Network& Network::optimizer(std::string type, Dict params, const char* file, int line) {
  model_.optimizer = typed(std::move(type), std::move(params), file, line);
  return *this;
}

Network& Network::schedule(std::string type, Dict params, const char* file, int line) {
  model_.schedule = typed(std::move(type), std::move(params), file, line);
  return *this;
}

Network& Network::train_data(std::string type, Dict params, const char* file, int line) {
  model_.train_data = typed(std::move(type), std::move(params), file, line);
  return *this;
}

Network& Network::test_data(std::string type, Dict params, const char* file, int line) {
  model_.test_data = typed(std::move(type), std::move(params), file, line);
  return *this;
}

}  // namespace braid
