// `vigil schema infer FILE`: a schema file from all records of a recorded input.
#pragma once

#include <ostream>
#include <string>

namespace vigil::cmd {

// Prints the schema to `out` and nothing else; what could not be used goes to `err`. Returns the
// exit code.
int RunSchemaInfer(const std::string& path, std::ostream& out, std::ostream& err);

}  // namespace vigil::cmd
