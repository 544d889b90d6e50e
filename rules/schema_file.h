// Event schemas as files: which fields events have, and of what types.
//
//     fields:
//       account: string
//       amount: double
//       tags: list(string)
//       scores: map(string, double)
//       device:                # an object: its fields
//         id: string
//         trusted: bool
//
// Types: int double string bool bytes timestamp duration dyn list(T) map(string, T), and objects.
// YAML or JSON, with the same diagnostics as rules.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cep/event/schema.h"
#include "rules/diagnostic.h"

namespace vigil::rules {

struct SchemaResult {
  std::shared_ptr<const cep::Schema> schema;  // null if any diagnostic is an error
  std::vector<Diagnostic> diagnostics;
};

SchemaResult LoadSchema(const std::string& path);
// Of a text that is named `name` in diagnostics.
SchemaResult LoadSchemaText(std::string name, std::string text);

// The schema as a file: what LoadSchema reads back. A type that files cannot name, such as an
// object in a list, is written as `dyn`.
std::string WriteSchema(const cep::Schema& schema);

}  // namespace vigil::rules
