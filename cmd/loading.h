// What several commands do first: read a configuration, a schema file and
// rules, and print what is wrong with them.
#pragma once

#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "cep/event/schema.h"
#include "daemon/config.h"
#include "rules/load.h"
#include "rules/rule_set.h"

namespace vigil::cmd {

// The configuration in `path`, or nothing after its diagnostics have been printed to `err`.
std::optional<daemon::Config> LoadConfigOrReport(const std::string& path, std::ostream& err);

// The schema in `path`, a schema file or what stands for one (daemon/formats.h), or null after its
// diagnostics have been printed to `err`.
std::shared_ptr<const cep::Schema> LoadSchemaOrReport(const std::string& path, std::ostream& err);

// The rules in `paths`, or null after their diagnostics have been printed to `err`; warnings are
// printed either way.
std::shared_ptr<const rules::RuleSet> LoadRulesOrReport(const std::vector<std::string>& paths,
                                                        std::shared_ptr<const cep::Schema> schema,
                                                        std::ostream& err,
                                                        const rules::LoadOptions& options = {});

}  // namespace vigil::cmd
