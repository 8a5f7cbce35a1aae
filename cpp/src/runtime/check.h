// Checks that several kinds of options share.
#pragma once

#include <string>

namespace earwitness {

// Throws InvalidOption: `field` is `value`; it must be `allowed`.
[[noreturn]] void refuse(const std::string& field, const std::string& value,
                         const std::string& allowed);

// Throws it unless low <= value <= high; a value that is not a number is refused.
void check_range(const char* field, double value, double low, double high);

// The number of threads of a call; 0 = the usual.
void check_threads(int threads);

}  // namespace earwitness
