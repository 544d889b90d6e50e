// Reads `sources` of a configuration.
#pragma once

#include <string>
#include <vector>

#include "daemon/config.h"
#include "rules/section_reader.h"

namespace vigil::daemon {

// `file` is the whole configuration; `folder` is where its relative paths begin.
std::vector<SourceConfig> ReadSources(const rules::SectionReader& file, const std::string& folder);

}  // namespace vigil::daemon
