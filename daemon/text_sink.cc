#include "daemon/text_sink.h"

#include <simdjson.h>

namespace vigil::daemon {
namespace {

// Control characters could drive a terminal.
void AppendPlain(std::string_view text, std::string* out) {
  for (const char c : text) out->push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
}

}  // namespace

std::string TextOfAlert(std::string_view json) {
  simdjson::dom::parser parser;
  const simdjson::padded_string padded(json);
  simdjson::dom::object alert;
  std::string_view rule;
  std::string_view time;
  if (parser.parse(padded).get(alert) != simdjson::SUCCESS ||
      alert["rule"].get(rule) != simdjson::SUCCESS ||
      alert["time"].get(time) != simdjson::SUCCESS) {
    return std::string(json);
  }
  std::string text(time);
  std::string_view severity;
  if (alert["severity"].get(severity) == simdjson::SUCCESS) text.append(" ").append(severity);
  text.append(" ").append(rule);
  simdjson::dom::object key;
  if (alert["key"].get(key) == simdjson::SUCCESS) {
    for (const auto [name, value] : key) {
      text.push_back(' ');
      AppendPlain(name, &text);
      text.push_back('=');
      std::string_view word;
      if (value.get(word) == simdjson::SUCCESS) {
        AppendPlain(word, &text);
      } else {
        text.append(simdjson::minify(value));
      }
    }
  }
  std::string_view summary;
  if (alert["summary"].get(summary) == simdjson::SUCCESS && !summary.empty()) {
    text.append(": ");
    AppendPlain(summary, &text);
  }
  return text;
}

Status TextSink::Write(std::vector<alerts::Outgoing>* records,
                       const std::atomic<bool>& is_giving_up) {
  for (alerts::Outgoing& record : *records) {
    // A text is no JSON, so a record that is tried again is not turned twice.
    if (!record.is_delivered && !record.line.empty() && record.line.front() == '{') {
      record.line = TextOfAlert(record.line);
    }
  }
  return sink_->Write(records, is_giving_up);
}

}  // namespace vigil::daemon
