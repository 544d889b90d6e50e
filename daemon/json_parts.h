// Pieces of JSON objects that several of the daemon's answers and records share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cep/runtime/ledger.h"
#include "daemon/log.h"

namespace vigil::daemon {

// `,"NAME":N`.
void AppendCount(std::string_view name, uint64_t count, std::string* out);

// `,"NAME":"TEXT"`.
void AppendText(std::string_view name, std::string_view text, std::string* out);

// A count for each column: `,"read":N,"processed":N,...`.
void AppendLedger(const cep::Ledger& ledger, std::string* out);

// A text for each field, in their order.
void AppendFields(const std::vector<LogField>& fields, std::string* out);

}  // namespace vigil::daemon
