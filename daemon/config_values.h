// Values of a configuration that rules do not have: paths, addresses, sizes, names, properties,
// expressions on their own. Each is read from a section's key, and reported if it is wrong.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/config.h"
#include "daemon/config_table.h"
#include "rules/section_reader.h"

namespace vigil::daemon {

// Reads the mapping `node`, a value of `outer`'s.
rules::SectionReader Inner(ConfigSection section, const rules::SectionReader& outer,
                           const rules::Node& node);

// `path` as named by a file in `folder`.
std::string ResolvePath(const std::string& folder, std::string_view path);

// Reports a name that has other characters than letters, digits, `_`, `.` and `-`: paths, topics
// and metrics carry it. `what` is what it names.
void CheckName(const rules::SectionReader& section, const rules::Node& name, std::string_view what);

// Nothing if the key is absent or, after a report, its value is wrong.
std::optional<ListenConfig> ReadAddress(const rules::SectionReader& section, std::string_view key);
std::optional<uint64_t> ReadBytes(const rules::SectionReader& section, std::string_view key);
// HOST:PORT, or several with commas between them; as written.
std::string ReadBrokers(const rules::SectionReader& section);
std::map<std::string, std::string> ReadProperties(const rules::SectionReader& section);
// CEL over an event whose schema is not known yet: names are fields of any type.
ExpressionConfig ReadExpression(const rules::SectionReader& section, std::string_view key);
// Text that may not be empty.
std::string ReadText(const rules::SectionReader& section, std::string_view key);

}  // namespace vigil::daemon
