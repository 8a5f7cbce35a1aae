// The sets of inner loops to choose from.
#pragma once

#include <vector>

#include "kernels/isa.h"

namespace earwitness::kernels {

// All that this machine and build have, the best first.
std::vector<const Kernels*> available_kernels();

}  // namespace earwitness::kernels
