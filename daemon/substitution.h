// `${env:NAME}` and `${file:PATH}` in a configuration's values: secrets that the file does not
// hold.
//
// A value that something was put into is marked as hidden: no message shows it. `$${` stands for
// the characters `${`. Keys are left alone.
#pragma once

#include <string>

#include "rules/source_text.h"
#include "rules/yaml_node.h"

namespace vigil::daemon {

// A file's content stands without its last line break, and is refused above this size.
inline constexpr size_t kMaxSubstituteBytes = 64 * 1024;

// Replaces in all scalars of the document that are no keys; `folder` is where relative paths
// begin. What is missing or malformed is reported at its place, and the value is
// then taken as absent.
void Substitute(const std::string& folder, rules::Document* document, rules::Reporter* reporter);

}  // namespace vigil::daemon
