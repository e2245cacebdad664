// Products of matrices, sums over named dimensions, rows of tables.
#include "libonnx/export/exporting.h"

namespace braid::onnx_export {
namespace {

void linear(Exporting& e) {
  const bool bias = get_bool(e.params(), "bias", true);
  if (e.rank() == 2) {
    Names in{e.in(), e.weight("weight")};
    if (bias) in.push_back(e.weight("bias"));
    return e.emit("Gemm", in, {{"transB", 1}});
  }
  const auto turned = e.node("Transpose", {e.weight("weight")}, {{"perm", list({1, 0})}});
  if (!bias) return e.emit("MatMul", {e.in(), turned});
  e.emit("Add", {e.node("MatMul", {e.in(), turned}), e.weight("bias")});
}

void einsum(Exporting& e) {
  Names all;
  for (size_t i = 0; i < e.inputs(); ++i) all.push_back(e.in(i));
  e.emit("Einsum", all, {{"equation", get_text(e.params(), "equation")}});
}

void embedding(Exporting& e) { e.emit("Gather", {e.weight("weight"), e.in()}); }

}  // namespace

void add_products(Exporters& table) {
  table["Linear"] = {linear, "Gemm; of more than two dimensions Transpose, MatMul, Add"};
  table["MatMul"] = {[](Exporting& e) { e.emit("MatMul", {e.in(0), e.in(1)}); }, "MatMul"};
  table["Einsum"] = {einsum, "Einsum"};
  table["Embedding"] = {embedding, "Gather"};
}

}  // namespace braid::onnx_export
