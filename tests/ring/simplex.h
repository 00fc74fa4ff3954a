// The textbook's linear program solver, dense and slow, for tests: minimise cost · x where
// A x = b ≥ 0 and x ≥ 0.
#pragma once

#include <cmath>
#include <cstddef>
#include <optional>
#include <vector>

namespace ringkv {

class Simplex {
 public:
  Simplex(size_t rows, size_t columns)
      : rows_(rows),
        columns_(columns),
        table_(rows + 1, std::vector<double>(columns + rows + 1, 0)),
        basis_(rows) {}

  double& a(size_t row, size_t column) { return table_[row][column]; }
  double& b(size_t row) { return table_[row].back(); }

  // Nothing: there is no solution, or rounding has lost it. May be called once.
  std::optional<double> Minimise(const std::vector<double>& cost) {
    // First the sum of one artificial variable a row, down to 0.
    std::vector<double>& goal = table_[rows_];
    for (size_t i = 0; i < rows_; ++i) {
      basis_[i] = columns_ + i;
      for (size_t j = 0; j < columns_; ++j) goal[j] -= table_[i][j];
      goal.back() -= b(i);
      table_[i][columns_ + i] = 1;
    }
    if (!Descend() || -goal.back() > kFeasible) return std::nullopt;
    LeaveArtificials();
    goal.assign(goal.size(), 0);
    for (size_t j = 0; j < columns_; ++j) goal[j] = cost[j];
    for (size_t i = 0; i < rows_; ++i) {
      if (basis_[i] < columns_) AddRow(i, rows_, -cost[basis_[i]]);
    }
    if (!Descend()) return std::nullopt;
    return -goal.back();
  }

 private:
  static constexpr double kTiny = 1e-6;
  static constexpr double kFeasible = 1e-3;  // what may be wanting in all rows together
  static constexpr double kNoise = 1e-10;    // what rounding leaves of a zero
  static constexpr int kMostPivots = 20'000;
  static constexpr int kStall = 50;

  void AddRow(size_t from, size_t to, double factor) {
    for (size_t j = 0; j < table_[to].size(); ++j) {
      double& value = table_[to][j];
      value += factor * table_[from][j];
      if (std::fabs(value) < kNoise) value = 0;
    }
  }

  void Pivot(size_t row, size_t column) {
    const double pivot = table_[row][column];
    for (double& value : table_[row]) value /= pivot;
    for (size_t i = 0; i <= rows_; ++i) {
      if (i != row && table_[i][column] != 0) AddRow(row, i, -table_[i][column]);
    }
    basis_[row] = column;
  }

  void LeaveArtificials() {
    for (size_t i = 0; i < rows_; ++i) {
      for (size_t j = 0; j < columns_ && basis_[i] >= columns_; ++j) {
        if (std::fabs(table_[i][j]) > kTiny) Pivot(i, j);
      }
    }
  }

  // The steepest column; where that stalls, the first one, which cannot go round in circles
  // (Bland).
  size_t Entering(bool stalled) const {
    size_t best = columns_;
    double least = -kTiny / 10;
    for (size_t j = 0; j < columns_; ++j) {
      if (table_[rows_][j] >= least) continue;
      best = j;
      least = table_[rows_][j];
      if (stalled) break;
    }
    return best;
  }

  size_t Leaving(size_t column) const {
    size_t best = rows_;
    double least = 0;
    for (size_t i = 0; i < rows_; ++i) {
      if (table_[i][column] <= kTiny) continue;
      const double ratio = table_[i].back() / table_[i][column];
      if (best < rows_ && ratio > least - 1e-12 &&
          (ratio > least + 1e-12 || basis_[i] > basis_[best])) {
        continue;
      }
      best = i;
      least = ratio;
    }
    return best;
  }

  bool Descend() {
    int still = 0;
    for (int i = 0; i < kMostPivots; ++i) {
      const size_t column = Entering(still > kStall);
      if (column == columns_) return true;
      const size_t row = Leaving(column);
      if (row == rows_) return false;
      still = table_[row].back() < 1e-9 ? still + 1 : 0;
      Pivot(row, column);
    }
    return false;
  }

  const size_t rows_, columns_;
  std::vector<std::vector<double>> table_;  // the goal is the last row, b the last column
  std::vector<size_t> basis_;
};

}  // namespace ringkv
