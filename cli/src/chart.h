// Curves as SVG that needs nothing else: axes with round numbers, a line for each curve, hidden
// values for the page's script to show under the pointer.
#pragma once
#include <string>
#include <vector>

#include "run_log.h"

namespace braid::cli {

struct Chart {
  struct Line {
    std::string name;
    const RunLog::Curve* curve;
    bool dots = false;   ///< few points: each is drawn
    bool noisy = false;  ///< drawn faint, with its moving mean
  };
  std::string title;
  std::vector<Line> lines;
  int64_t best = -1;         ///< the step that is marked on the last line, or -1
  bool logarithmic = false;  ///< if the values, all above 0, span two orders of magnitude
};

/// A figure; "" where no line has a point.
std::string to_svg(const Chart& chart);

/// & < > " as HTML has them.
std::string html_text(const std::string& text);

}  // namespace braid::cli
