#include "daemon/json_parts.h"

#include "alerts/json_writer.h"

namespace vigil::daemon {

void AppendCount(std::string_view name, uint64_t count, std::string* out) {
  out->append(",\"").append(name).append("\":");
  alerts::AppendUint(count, out);
}

void AppendText(std::string_view name, std::string_view text, std::string* out) {
  out->push_back(',');
  alerts::AppendJsonString(name, out);
  out->push_back(':');
  alerts::AppendJsonString(text, out);
}

void AppendLedger(const cep::Ledger& ledger, std::string* out) {
  AppendCount("read", ledger.read, out);
  AppendCount("processed", ledger.processed, out);
  AppendCount("late", ledger.late, out);
  AppendCount("quarantined", ledger.quarantined, out);
  AppendCount("rate_limited", ledger.rate_limited, out);
  AppendCount("waiting", ledger.waiting, out);
}

void AppendFields(const std::vector<LogField>& fields, std::string* out) {
  for (const auto& [name, value] : fields) AppendText(name, value, out);
}

}  // namespace vigil::daemon
