// The reference of CEL's functions and macros, from the one table (functions.h).
#pragma once

#include <string>
#include <string_view>

namespace vigil::rules::cel {

// docs/cel-functions.md from its first heading of the table on; a topic has one heading.
std::string FunctionReferenceMarkdown();

// The same as plain text; with `word` only the lines that have it, upper and lower case alike.
std::string FunctionReferenceText(std::string_view word);

// A signature as people read it: `string.contains(string) -> bool`, operators as `int + int ->
// int`.
std::string ReadableSignature(std::string_view signature);

}  // namespace vigil::rules::cel
