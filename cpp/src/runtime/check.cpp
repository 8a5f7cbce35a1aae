#include "runtime/check.h"

#include "earwitness/error.h"

namespace earwitness {
namespace {

std::string number(double x) {
  std::string text = std::to_string(x);
  if (text.find('.') == std::string::npos) return text;  // infinite, or not a number
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace

void refuse(const std::string& field, const std::string& value, const std::string& allowed) {
  throw InvalidOption(field + " is " + value + "; it must be " + allowed);
}

void check_range(const char* field, double value, double low, double high) {
  if (value >= low && value <= high) return;
  refuse(field, number(value), "within " + number(low) + " to " + number(high));
}

void check_threads(int threads) {
  constexpr int kMost = 256;
  check_range("threads", threads, 0, kMost);
}

}  // namespace earwitness
