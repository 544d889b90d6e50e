// `vigil schema rules`: the JSON Schema of the rule language, for editors.
#pragma once

#include <ostream>

namespace vigil::cmd {

// Returns the exit code.
int RunSchemaRules(std::ostream& out);

}  // namespace vigil::cmd
