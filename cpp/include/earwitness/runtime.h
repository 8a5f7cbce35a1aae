// The ggml runtime under the networks.
#pragma once

#include <string>
#include <vector>

namespace earwitness {

// Registers the compute backends once per process: those linked in, and, for a build with run-time
// dispatch, the best of the modules beside the library at `directory`. Silences ggml's log.
// Throws Error if not even a CPU backend is found.
void load_backends(const std::string& directory = {});

// The compute devices, as "name: description".
std::vector<std::string> devices();

// One line: the instruction sets and features that the CPU backend uses.
std::string system_info();

}  // namespace earwitness
