// The ggml runtime under the networks.
#pragma once

#include <string>
#include <vector>

namespace earwitness {

// Registers the compute backends that are linked in, once per process, and silences ggml's log.
// Throws Error if there is none for the CPU.
void load_backends();

// The compute devices, as "name: description".
std::vector<std::string> devices();

// One line: the instruction sets and features that the CPU backend uses.
std::string system_info();

}  // namespace earwitness
