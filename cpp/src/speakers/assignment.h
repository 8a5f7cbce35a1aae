// Which speaker each of a few local speakers is, no two the same.
#pragma once

#include <vector>

namespace earwitness::speakers {

// scores[r][k]: how well row r fits speaker k, all rows of one length; at most three rows. The
// distinct speakers of the highest total; where there are fewer speakers than rows, the best for
// each row.
std::vector<int> assign_distinct(const std::vector<std::vector<double>>& scores);

}  // namespace earwitness::speakers
