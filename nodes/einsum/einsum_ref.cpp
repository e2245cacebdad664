// The judge of Einstein sums: every letter's index is counted up, and each operand's element is
// found by its own letters.
#include <algorithm>
#include <map>

#include "einsum/equation.h"
#include "einsum/ops.h"

namespace braid {
namespace {

struct Letters {
  std::map<char, int64_t> size, index;

  int64_t offset(const std::string& labels) const {
    int64_t at = 0;
    for (char c : labels) at = at * size.at(c) + index.at(c);
    return at;
  }
  bool next() {
    for (auto& [letter, at] : index) {
      if (++at < size.at(letter)) return true;
      at = 0;
    }
    return false;
  }
};

KernelBody make(const Signature& s) {
  std::string problem;
  return [s, e = parse_equation(get_text(s.attrs, "equation"), problem)](const KernelArgs& a) {
    Letters letters;
    for (size_t k = 0; k < e.in.size(); ++k)
      for (size_t d = 0; d < e.in[k].size(); ++d) {
        letters.size[e.in[k][d]] = s.in[k].dim(d);
        letters.index[e.in[k][d]] = 0;
      }
    double* y = a.out<double>(0);
    std::fill_n(y, s.out[0].elements(), 0.0);
    do {
      double product = 1;
      for (size_t k = 0; k < e.in.size(); ++k)
        product *= a.in<double>(int(k))[letters.offset(e.in[k])];
      y[letters.offset(e.out)] += product;
    } while (letters.next());
  };
}

}  // namespace

void register_einsum_reference(Registry& registry) {
  for (const char* op : {"einsum", "sum"}) registry.add(plain_kernel(op, "reference", make));
}

}  // namespace braid
