// The operations and shapes that onednn_test.cpp goes through.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "nodes/onednn_rig.h"

namespace braid::test::onednn {

struct Case {
  std::string name;
  std::function<Ask(int64_t n)> make;  ///< the operation for a batch of n samples
  bool per_sample = true;              ///< sample i of a result follows from sample i alone
};

struct ConvCase {
  std::string name;
  int64_t in, out, height, width, kernel_h, kernel_w;
  int64_t stride = 1, padding = 0, dilation = 1, groups = 1;
  int64_t extra = 0;  ///< more padding at the end

  int64_t result(int64_t size, int64_t kernel) const {
    return (size + 2 * padding + extra - dilation * (kernel - 1) - 1) / stride + 1;
  }
  Dict attrs() const {
    return {{"stride", Attr::List{stride, stride}},
            {"padding", Attr::List{padding, padding, padding + extra, padding + extra}},
            {"dilation", Attr::List{dilation, dilation}},
            {"groups", groups}};
  }
};

inline std::vector<ConvCase> conv_cases() {
  return {{"lenet1", 1, 16, 28, 28, 5, 5, 1, 2},
          {"lenet2", 16, 32, 14, 14, 5, 5, 1, 2},
          {"rgb", 3, 16, 9, 7, 3, 3, 2, 1},
          {"single", 1, 1, 7, 5, 3, 3, 1, 1},
          {"odd_channels", 20, 18, 7, 5, 3, 3, 1, 1},
          {"seven_to_five", 7, 5, 9, 9, 3, 3, 1, 1},
          {"over_the_edge", 5, 6, 8, 8, 3, 2, 3, 0},
          {"one_by_one", 20, 33, 6, 5, 1, 1},
          {"one_by_one_strided", 16, 48, 8, 8, 1, 1, 2},
          {"dilated", 16, 16, 9, 9, 3, 3, 1, 2, 2},
          {"grouped", 32, 64, 6, 6, 3, 3, 1, 1, 1, 2},
          {"odd_groups", 12, 18, 5, 6, 3, 3, 1, 1, 1, 3},
          {"grouped_dilated", 4, 6, 6, 5, 3, 3, 1, 2, 2, 2},
          {"depthwise", 20, 20, 7, 7, 3, 3, 1, 1, 1, 20},
          {"even_same", 6, 4, 6, 6, 2, 2, 1, 0, 1, 1, 1},
          {"whole_image", 16, 10, 5, 4, 5, 4}};
}

inline void add_conv(std::vector<Case>& cases, const ConvCase& c) {
  int64_t oh = c.result(c.height, c.kernel_h), ow = c.result(c.width, c.kernel_w);
  auto x = [c](int64_t n) { return random({n, c.in, c.height, c.width}, 11); };
  auto g = [c, oh, ow](int64_t n) { return random({n, c.out, oh, ow}, 12); };
  Plain w = random({c.out, c.in / c.groups, c.kernel_h, c.kernel_w}, 13), b = random({c.out}, 14);
  Dict input = c.attrs(), weight = c.attrs(), alone = c.attrs();
  set(input, "input_size", Attr::List{c.height, c.width});
  set(weight, "kernel_size", Attr::List{c.kernel_h, c.kernel_w});
  set(alone, "kernel_size", Attr::List{c.kernel_h, c.kernel_w});
  set(weight, "bias", true);
  cases.push_back({"conv2d_" + c.name, [=](int64_t n) -> Ask {
                     return {"conv2d", c.attrs(), {x(n), w, b}};
                   }});
  cases.push_back({"conv2d_nobias_" + c.name, [=](int64_t n) -> Ask {
                     return {"conv2d", c.attrs(), {x(n), w}};
                   }});
  cases.push_back({"conv2d_grad_input_" + c.name, [=](int64_t n) -> Ask {
                     return {"conv2d_grad_input", input, {g(n), w}};
                   }});
  cases.push_back({"conv2d_grad_weight_" + c.name,
                   [=](int64_t n) -> Ask {
                     return {"conv2d_grad_weight", weight, {x(n), g(n)}};
                   },
                   false});
  cases.push_back({"conv2d_grad_weight_nobias_" + c.name,
                   [=](int64_t n) -> Ask {
                     return {"conv2d_grad_weight", alone, {x(n), g(n)}};
                   },
                   false});
}

inline void add_linear(std::vector<Case>& cases, int64_t in, int64_t out) {
  std::string name = std::to_string(in) + "_" + std::to_string(out);
  Plain w = random({out, in}, 21), b = random({out}, 22);
  auto x = [in](int64_t n) { return random({n, in}, 23); };
  auto g = [out](int64_t n) { return random({n, out}, 24); };
  cases.push_back({"matmul_forward_" + name, [=](int64_t n) -> Ask {
                     return {"matmul", {{"transpose_b", true}}, {x(n), w, b}};
                   }});
  cases.push_back({"matmul_grad_input_" + name, [=](int64_t n) -> Ask {
                     return {"matmul", {}, {g(n), w}};
                   }});
  cases.push_back({"matmul_grad_weight_" + name,
                   [=](int64_t n) -> Ask {
                     return {"matmul", {{"transpose_a", true}}, {g(n), x(n)}};
                   },
                   false});
  cases.push_back({"column_sum_" + name,
                   [=](int64_t n) -> Ask {
                     return {"column_sum", {}, {g(n)}};
                   },
                   false});
}

struct PoolCase {
  std::string name;
  int64_t channels, height, width, kernel, stride;
  int64_t padding = 0, dilation = 1;
  bool ceil = false, count_padding = true;

  int64_t result(int64_t size) const {
    int64_t room = size + 2 * padding - dilation * (kernel - 1) - 1 + (ceil ? stride - 1 : 0);
    int64_t count = room / stride + 1;
    return ceil && (count - 1) * stride >= size + padding ? count - 1 : count;
  }
  Dict attrs() const {
    return {{"kernel_size", Attr::List{kernel, kernel}},
            {"stride", Attr::List{stride, stride}},
            {"padding", Attr::List{padding, padding}},
            {"dilation", Attr::List{dilation, dilation}},
            {"ceil_mode", ceil},
            {"count_include_pad", count_padding}};
  }
};

inline std::vector<PoolCase> pool_cases() {
  return {{"halves", 16, 14, 14, 2, 2},
          {"cells_over", 1, 7, 5, 2, 2},
          {"overlapping", 20, 9, 7, 3, 2, 1},
          {"hanging", 5, 6, 8, 3, 2, 0, 1, true},
          {"hanging_padded", 16, 7, 7, 3, 3, 1, 1, true},
          {"uncounted", 20, 6, 6, 3, 2, 1, 1, false, false},
          {"hanging_uncounted", 3, 6, 7, 3, 2, 1, 1, true, false},
          {"large", 4, 20, 20, 17, 3, 8},
          {"dilated", 16, 9, 9, 2, 2, 0, 2}};
}

// Values that tie often, so that "the first of equals" is put to the test.
inline Plain ties(Plain p) {
  for (auto& v : p.values) v = float(std::round(v * 3) / 3);
  return p;
}

// What max_pool2d says about an image, for its gradient.
inline Plain places(const PoolCase& c, const Plain& image) {
  Dict attrs = c.attrs();
  set(attrs, "indices", true);
  return Rig().run({"max_pool2d", attrs, {image}}, "reference")[1];
}

inline void add_pool(std::vector<Case>& cases, const PoolCase& c) {
  auto x = [c](int64_t n) { return ties(random({n, c.channels, c.height, c.width}, 31)); };
  auto g = [c](int64_t n) {
    return random({n, c.channels, c.result(c.height), c.result(c.width)}, 32);
  };
  Dict max = c.attrs(), gradient = c.attrs();
  set(max, "indices", true);
  set(gradient, "input_size", Attr::List{c.height, c.width});
  for (Format format : {"", "aBcd16b", "aBcd8b"}) {
    std::string name = (format.empty() ? "plain_" : format + "_") + c.name;
    cases.push_back({"max_pool2d_" + name, [=](int64_t n) -> Ask {
                       return {"max_pool2d", max, {x(n)}, {}, {format}};
                     }});
    cases.push_back({"max_pool2d_grad_" + name, [=](int64_t n) -> Ask {
                       DType dtype = c.kernel * c.kernel > 255 ? DType::i32 : DType::u8;
                       return {"max_pool2d_grad",
                               gradient,
                               {g(n), places(c, x(n))},
                               {{1, dtype}},
                               {format, format}};
                     }});
    if (c.dilation > 1) continue;
    cases.push_back({"avg_pool2d_" + name, [=](int64_t n) -> Ask {
                       return {"avg_pool2d", c.attrs(), {x(n)}, {}, {format}};
                     }});
    cases.push_back({"avg_pool2d_grad_" + name, [=](int64_t n) -> Ask {
                       return {"avg_pool2d_grad", gradient, {g(n)}, {}, {format}};
                     }});
  }
}

inline void add_adaptive(std::vector<Case>& cases, int64_t channels, int64_t height, int64_t width,
                         int64_t out_height, int64_t out_width) {
  for (Format format : {"", "aBcd16b", "aBcd8b"}) {
    std::string name = (format.empty() ? "plain_" : format + "_") + std::to_string(channels) + "_" +
                       std::to_string(height) + "_to_" + std::to_string(out_height);
    cases.push_back({"adaptive_avg_pool2d_" + name, [=](int64_t n) -> Ask {
                       return {"adaptive_avg_pool2d",
                               {{"output_size", Attr::List{out_height, out_width}}},
                               {random({n, channels, height, width}, 41)},
                               {},
                               {format}};
                     }});
    cases.push_back({"adaptive_avg_pool2d_grad_" + name, [=](int64_t n) -> Ask {
                       return {"adaptive_avg_pool2d_grad",
                               {{"input_size", Attr::List{height, width}}},
                               {random({n, channels, out_height, out_width}, 42)},
                               {},
                               {format}};
                     }});
  }
}

inline void add_concat(std::vector<Case>& cases, std::string name, std::vector<int64_t> channels,
                       int64_t dim) {
  for (Format format : {"", "aBcd16b"}) {
    std::string full = (format.empty() ? "plain_" : format + "_") + name;
    cases.push_back({"concat_" + full, [=](int64_t n) -> Ask {
                       Ask ask{"concat", {{"dim", dim}}, {}, {}, {format}};
                       for (auto c : channels) {
                         std::vector<int64_t> dims = {n, 20, 3, 5};
                         dims[size_t(dim)] = c;
                         ask.in.push_back(random(dims, uint64_t(50 + c)));
                       }
                       return ask;
                     }});
    int64_t begin = 0, all = 0;
    for (auto c : channels) all += c;
    for (auto c : channels) {
      std::string part = "slice_" + full + "_" + std::to_string(begin);
      cases.push_back({part, [=](int64_t n) -> Ask {
                         std::vector<int64_t> dims = {n, 20, 3, 5};
                         dims[size_t(dim)] = all;
                         return {"slice",
                                 {{"dim", dim}, {"begin", begin}, {"size", c}},
                                 {random(dims, 60)},
                                 {},
                                 {format}};
                       }});
      begin += c;
    }
  }
}

struct TransposedCase {
  std::string name;
  int64_t in, out, height, width, kernel, stride;
  int64_t padding = 0, dilation = 1, groups = 1, extra = 0;

  int64_t result(int64_t size) const {
    return (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + extra + 1;
  }
};

inline std::vector<TransposedCase> transposed_cases() {
  return {{"doubled", 32, 16, 5, 7, 2, 2},        {"tripled", 16, 32, 4, 13, 3, 3},
          {"odd_doubled", 20, 18, 5, 7, 2, 2},    {"single_doubled", 1, 1, 5, 7, 2, 2},
          {"overlapping", 16, 32, 5, 7, 4, 2, 1}, {"padded", 7, 5, 6, 5, 3, 2, 1, 1, 1, 1},
          {"dilated", 16, 16, 6, 5, 3, 1, 2, 2},  {"grouped", 12, 18, 5, 4, 2, 2, 0, 1, 3}};
}

inline void add_transposed(std::vector<Case>& cases, const TransposedCase& c) {
  Plain w = random({c.in, c.out / c.groups, c.kernel, c.kernel}, 15), b = random({c.out}, 16);
  int64_t height = c.result(c.height), width = c.result(c.width);
  Dict attrs = {{"stride", Attr::List{c.stride, c.stride}},
                {"padding", Attr::List{c.padding, c.padding, c.padding, c.padding}},
                {"dilation", Attr::List{c.dilation, c.dilation}},
                {"groups", c.groups},
                {"output_size", Attr::List{height, width}}};
  for (Format format : {"", "aBcd16b", "aBcd8b"}) {
    std::string name = (format.empty() ? "plain_" : format + "_") + c.name;
    auto x = [c](int64_t n) { return random({n, c.in, c.height, c.width}, 17); };
    cases.push_back({"conv_transpose2d_" + name, [=](int64_t n) -> Ask {
                       return {"conv_transpose2d", attrs, {x(n), w, b}, {}, {format}};
                     }});
    cases.push_back({"conv_transpose2d_nobias_" + name, [=](int64_t n) -> Ask {
                       return {"conv_transpose2d", attrs, {x(n), w}, {}, {format}};
                     }});
    cases.push_back({"conv_transpose2d_grad_bias_" + name,
                     [=](int64_t n) -> Ask {
                       Plain g = random({n, c.out, height, width}, 18);
                       return {"conv_transpose2d_grad_bias", {}, {g}, {}, {format}};
                     },
                     false});
  }
}

inline std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (auto& c : transposed_cases()) add_transposed(cases, c);
  for (auto& c : conv_cases()) add_conv(cases, c);
  for (auto [in, out] : {std::pair{784, 128}, {128, 10}, {20, 13}, {1, 1}, {5, 300}, {512, 512}})
    add_linear(cases, in, out);
  for (auto& c : pool_cases()) add_pool(cases, c);
  add_adaptive(cases, 20, 7, 5, 1, 1);
  add_adaptive(cases, 32, 8, 8, 1, 1);
  add_adaptive(cases, 16, 7, 5, 3, 2);
  add_adaptive(cases, 2, 2, 3, 4, 3);
  add_concat(cases, "aligned", {16, 32, 16}, 1);
  add_concat(cases, "last_cut", {32, 20}, 1);
  add_concat(cases, "first_cut", {20, 16, 3}, 1);
  add_concat(cases, "rows", {2, 3}, 2);
  return cases;
}

}  // namespace braid::test::onednn
