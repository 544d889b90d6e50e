#include "cmd/schema_rules.h"

#include "cmd/exit_codes.h"
#include "rules/schema_reference.h"

namespace vigil::cmd {

int RunSchemaRules(std::ostream& out) {
  out << rules::RuleJsonSchema() << std::flush;
  return out.good() ? kExitOk : kExitIo;
}

}  // namespace vigil::cmd
