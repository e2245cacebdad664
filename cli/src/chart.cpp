#include "chart.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "json.h"
#include "progress.h"

namespace braid::cli {
namespace {

constexpr double width = 620, height = 250, left = 58, right = 14, top = 12, bottom = 30;
constexpr size_t most_points = 1200;

// Of each stretch the smallest and the largest value: peaks stay.
RunLog::Curve thinned(const RunLog::Curve& all) {
  if (all.size() <= most_points) return all;
  RunLog::Curve out;
  const size_t buckets = most_points / 2;
  for (size_t b = 0; b < buckets; ++b) {
    const auto first = all.begin() + int64_t(b * all.size() / buckets);
    const auto end = all.begin() + int64_t((b + 1) * all.size() / buckets);
    auto [low, high] = std::ranges::minmax_element(first, end, {}, &RunLog::Point::value);
    if (high < low) std::swap(low, high);
    out.push_back(*low);
    if (high != low) out.push_back(*high);
  }
  return out;
}

// Exponential, over about a fiftieth of the curve, without the pull of its first value.
RunLog::Curve smoothed(const RunLog::Curve& all) {
  const double keep = 1 - 1 / std::max(2.0, double(all.size()) / 50);
  double sum = 0, weight = 0;
  RunLog::Curve out;
  for (auto& point : all) {
    sum = keep * sum + (1 - keep) * point.value;
    weight = keep * weight + (1 - keep);
    out.push_back({point.step, sum / weight});
  }
  return out;
}

/// A scale from values to pixels, with marks at round numbers.
struct Axis {
  double low = 0, high = 1;
  bool logarithmic = false;

  double place(double value) const {
    if (logarithmic) value = std::log10(value);
    return (value - low) / (high - low);
  }
  std::vector<double> marks() const {
    std::vector<double> out;
    if (logarithmic) {
      const double each = std::ceil((high - low) / 6);
      for (double e = std::ceil(low); e <= high + 1e-9; e += std::max(1.0, each))
        out.push_back(std::pow(10, e));
      return out;
    }
    const double raw = (high - low) / 5, unit = std::pow(10, std::floor(std::log10(raw)));
    const double each = unit * (raw / unit < 1.5   ? 1
                                : raw / unit < 3.5 ? 2
                                : raw / unit < 7.5 ? 5
                                                   : 10);
    for (double at = std::ceil(low / each) * each; at <= high + each * 1e-6; at += each)
      out.push_back(std::abs(at) < each * 1e-6 ? 0 : at);
    return out;
  }
};

Axis axis_of(double low, double high, bool may_be_logarithmic) {
  Axis axis;
  if (may_be_logarithmic && low > 0 && high / low > 100) {
    axis.logarithmic = true;
    axis.low = std::log10(low), axis.high = std::log10(high);
    return axis;
  }
  const double room = high > low ? (high - low) * 0.04 : std::max(std::abs(high) * 0.1, 1e-12);
  axis.low = low >= 0 && low - room < 0 ? 0 : low - room;
  axis.high = high + room;
  return axis;
}

std::string mark_text(double value) {
  if (value == 0) return "0";
  return std::abs(value) >= 1e5 || std::abs(value) < 1e-3 ? fmt::format("{:.0e}", value)
                                                          : fmt::format("{:.4g}", value);
}

class Drawing {
 public:
  explicit Drawing(const Chart& chart) : chart_(chart) {
    double low = INFINITY, high = -INFINITY;
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (auto& line : chart.lines)
      for (auto& point : *line.curve) {
        low = std::min(low, point.value), high = std::max(high, point.value);
        first = std::min(first, point.step), last = std::max(last, point.step);
      }
    empty_ = first > last;
    if (empty_) return;
    y_ = axis_of(low, high, chart.logarithmic);
    x_ = {.low = double(first), .high = double(std::max(last, first + 1))};
  }

  std::string text() {
    if (empty_) return "";
    grid();
    for (size_t i = 0; i < chart_.lines.size(); ++i) line(i);
    best();
    return fmt::format(
        "<figure class=\"chart\"><figcaption><h3>{}{}</h3>{}</figcaption>"
        "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">{}"
        "<line class=\"cursor\" y1=\"{}\" y2=\"{}\" hidden/></svg>"
        "<output hidden></output><script type=\"application/json\">{}</script></figure>\n",
        html_text(chart_.title), y_.logarithmic ? " <small>logarithmic</small>" : "", legend(),
        width, height, html_text(chart_.title), svg_, top, height - bottom, data());
  }

 private:
  double x(double step) const { return left + x_.place(step) * (width - left - right); }
  double y(double value) const {
    return height - bottom - y_.place(value) * (height - top - bottom);
  }

  void grid() {
    for (double mark : y_.marks())
      svg_ += fmt::format(
          "<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>"
          "<text class=\"mark\" x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>",
          left, width - right, y(mark), y(mark), left - 8, y(mark) + 4, mark_text(mark));
    for (double mark : x_.marks())
      if (mark == std::floor(mark))
        svg_ += fmt::format(
            "<text class=\"mark\" x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:.0f}</text>",
            std::min(x(mark), width - right - 8), height - bottom + 18, mark);
  }

  std::string points(const RunLog::Curve& curve) const {
    std::string out;
    for (auto& point : thinned(curve))
      out += fmt::format("{:.1f},{:.1f} ", x(double(point.step)), y(point.value));
    return out;
  }

  void line(size_t i) {
    auto& line = chart_.lines[i];
    const bool faint = line.noisy && line.curve->size() > 20;
    svg_ += fmt::format("<polyline class=\"line c{}{}\" points=\"{}\"/>", i, faint ? " faint" : "",
                        points(*line.curve));
    if (faint)
      svg_ += fmt::format("<polyline class=\"line c{}\" points=\"{}\"/>", i,
                          points(smoothed(*line.curve)));
    if (!line.dots || line.curve->size() > 60) return;
    for (auto& point : *line.curve)
      svg_ += fmt::format("<circle class=\"dot c{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"/>", i,
                          x(double(point.step)), y(point.value));
  }

  void best() {
    for (auto& point : *chart_.lines.back().curve)
      if (point.step == chart_.best) {
        svg_ += fmt::format("<circle class=\"best\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"6.5\"/>",
                            x(double(point.step)), y(point.value));
        return;
      }
  }

  std::string legend() const {
    if (chart_.lines.size() < 2 && chart_.best < 0) return "";
    std::string out = "<ul>";
    for (size_t i = 0; i < chart_.lines.size(); ++i)
      out += fmt::format("<li class=\"c{}\">{}</li>", i, html_text(chart_.lines[i].name));
    if (chart_.best >= 0) out += fmt::format("<li class=\"star\">best, step {}</li>", chart_.best);
    return out + "</ul>";
  }

  // For the pointer: where the plot lies, and the values that are drawn.
  std::string data() const {
    Json lines = Json::array();
    for (auto& line : chart_.lines) {
      Json steps = Json::array(), values = Json::array();
      for (auto& point : thinned(*line.curve)) {
        steps.push_back(point.step), values.push_back(short_number(point.value));
      }
      lines.push_back({{"name", line.name}, {"steps", steps}, {"values", values}});
    }
    auto text =
        line_of({{"x", {left, width - right}}, {"steps", {x_.low, x_.high}}, {"lines", lines}});
    std::string out;
    for (char c : text) out += c == '<' ? std::string("\\u003c") : std::string(1, c);
    return out;
  }

  static std::string line_of(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  const Chart& chart_;
  bool empty_ = true;
  Axis x_, y_;
  std::string svg_;
};

}  // namespace

std::string html_text(const std::string& text) {
  std::string out;
  for (char c : text) switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  return out;
}

std::string to_svg(const Chart& chart) { return Drawing(chart).text(); }

}  // namespace braid::cli
