// Reads `outputs` of a configuration.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/config.h"
#include "rules/section_reader.h"

namespace vigil::daemon {

// `file` is the whole configuration; `folder` is where its relative paths begin.
std::map<std::string, std::vector<SinkConfig>> ReadOutputs(const rules::SectionReader& file,
                                                           const std::string& folder);

}  // namespace vigil::daemon
