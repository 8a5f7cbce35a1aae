#include "speakers/assignment.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>

namespace earwitness::speakers {
namespace {

class Search {
 public:
  explicit Search(const std::vector<std::vector<double>>& scores) : scores_(scores) {
    // Of n rows at most n - 1 speakers can be taken by others, so that the n best of each row hold
    // an optimum.
    for (const auto& row : scores) {
      std::vector<int> order(row.size());
      std::iota(order.begin(), order.end(), 0);
      const auto keep = static_cast<std::ptrdiff_t>(std::min(row.size(), scores.size()));
      std::partial_sort(order.begin(), order.begin() + keep, order.end(), [&](int a, int b) {
        return row[static_cast<std::size_t>(a)] > row[static_cast<std::size_t>(b)];
      });
      order.resize(static_cast<std::size_t>(keep));
      candidates_.push_back(order);
    }
  }

  std::vector<int> run() {
    extend(0.0);
    return best_;
  }

 private:
  void extend(double total) {
    const std::size_t row = chosen_.size();
    if (row == scores_.size()) {
      if (total > best_total_) {
        best_total_ = total;
        best_ = chosen_;
      }
      return;
    }
    for (const int k : candidates_[row]) {
      if (std::find(chosen_.begin(), chosen_.end(), k) != chosen_.end()) continue;
      chosen_.push_back(k);
      extend(total + scores_[row][static_cast<std::size_t>(k)]);
      chosen_.pop_back();
    }
  }

  const std::vector<std::vector<double>>& scores_;
  std::vector<std::vector<int>> candidates_;
  std::vector<int> chosen_;
  std::vector<int> best_;
  double best_total_ = -std::numeric_limits<double>::infinity();
};

}  // namespace

std::vector<int> assign_distinct(const std::vector<std::vector<double>>& scores) {
  if (scores.empty()) return {};
  if (scores.front().size() >= scores.size()) return Search(scores).run();
  std::vector<int> out;
  for (const auto& row : scores) {
    out.push_back(static_cast<int>(std::max_element(row.begin(), row.end()) - row.begin()));
  }
  return out;
}

}  // namespace earwitness::speakers
