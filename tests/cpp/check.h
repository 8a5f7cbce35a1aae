// A small test harness: one executable per file, which runs every TEST in it and returns non-zero
// when any check failed. Checks go on after a failure, so that one run shows everything. An
// optional argument runs only the tests whose name contains it.
//
//   TEST(adds) { CHECK(1 + 1 == 2); CHECK_NEAR(0.1 + 0.2, 0.3, 1e-12); }
//   TEST(throws) { CHECK_THROWS(std::out_of_range, std::string().at(1)); }
//   CHECK_MAIN()  // once, at the end of the file
#pragma once

#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <vector>

namespace earwitness::check {

struct Test {
  const char* name;
  void (*run)();
};

inline std::vector<Test> tests;
inline int failures = 0;

struct Registration {
  Registration(const char* name, void (*run)()) { tests.push_back({name, run}); }
};

inline void fail(const char* file, int line, const char* what, const char* detail) {
  ++failures;
  std::fprintf(stderr, "%s:%d: failed: %s %s\n", file, line, what, detail);
}

inline void near(double a, double b, double limit, const char* file, int line, const char* what) {
  if (std::abs(a - b) <= limit) return;  // a NaN falls through and fails
  char detail[128];
  std::snprintf(detail, sizeof detail, "(%.10g against %.10g, tolerance %.3g)", a, b, limit);
  fail(file, line, what, detail);
}

inline int run_all(int argc, char** argv) {
  int ran = 0;
  for (const Test& test : tests) {
    if (argc > 1 && std::strstr(test.name, argv[1]) == nullptr) continue;
    const int before = failures;
    ++ran;
    try {
      test.run();
    } catch (const std::exception& e) {
      fail(test.name, 0, "unexpected exception:", e.what());
    }
    std::fprintf(stderr, "%-6s %s\n", failures == before ? "ok" : "FAILED", test.name);
  }
  std::fprintf(stderr, "%d tests, %d failed checks\n", ran, failures);
  return failures == 0 && ran > 0 ? 0 : 1;
}

}  // namespace earwitness::check

// clang-format off
#define CHECK_FAIL_(what, detail) ::earwitness::check::fail(__FILE__, __LINE__, what, detail)
#define CHECK(...) ((__VA_ARGS__) ? void() : CHECK_FAIL_(#__VA_ARGS__, ""))
#define CHECK_NEAR(a, b, tolerance)                                                               \
  ::earwitness::check::near(static_cast<double>(a), static_cast<double>(b),                       \
                            static_cast<double>(tolerance), __FILE__, __LINE__, #a " ~ " #b)
#define CHECK_THROWS(E, ...)                                                                      \
  do {                                                                                            \
    try { static_cast<void>(__VA_ARGS__); CHECK_FAIL_(#__VA_ARGS__, "did not throw " #E); }       \
    catch (const E&) {}                                                                           \
    catch (const std::exception& e_) { CHECK_FAIL_(#__VA_ARGS__ " threw not " #E ":", e_.what()); } \
  } while (false)
#define TEST(name)                                                                                \
  static void test_##name();                                                                      \
  static const ::earwitness::check::Registration registration_##name(#name, &test_##name);        \
  static void test_##name()
#define CHECK_MAIN() int main(int argc, char** argv) { return ::earwitness::check::run_all(argc, argv); }
