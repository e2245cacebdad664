// What a fuzzer does with a text: everything that a network goes through before it runs.
#pragma once
#include <string>

namespace braid::fuzz {

/// Reads, checks and compiles, and estimates the memory. Nothing but an Error may come out of it,
/// and each error names a code, a place that the text has, and what is wrong; breaks off the
/// program otherwise. `includes` may be read from the folder of the program.
void try_network(std::string text);

}  // namespace braid::fuzz
