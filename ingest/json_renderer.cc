#include "ingest/json_renderer.h"

#include <algorithm>

#include <absl/strings/str_cat.h>

#include "ingest/json_validate.h"

namespace vigil::ingest {
namespace {

// Takes `prefix` off `text`, or fails.
bool Skip(std::string_view prefix, std::string_view* text) {
  if (text->substr(0, prefix.size()) != prefix) return false;
  text->remove_prefix(prefix.size());
  return true;
}

bool SkipString(std::string_view* text) {
  if (!Skip("\"", text)) return false;
  while (!text->empty() && text->front() != '"') {
    text->remove_prefix(std::min<size_t>(text->front() == '\\' ? 2 : 1, text->size()));
  }
  return Skip("\"", text);
}

bool SkipDigits(std::string_view* text) {
  const size_t end = std::min(text->find_first_not_of("0123456789"), text->size());
  text->remove_prefix(end);
  return end > 0;
}

// Whether a position as a recording has it, and nothing else of the record's own, begins here.
bool IsPosition(std::string_view text) {
  return Skip("\"_source\":", &text) && SkipString(&text) && Skip(",\"_topic\":", &text) &&
         SkipString(&text) && Skip(",\"_partition\":", &text) && SkipDigits(&text) &&
         Skip(",\"_offset\":", &text) && SkipDigits(&text) &&
         (text == "}" || text.substr(0, 9) == ",\"kafka\":");
}

}  // namespace

const JsonRenderer& JsonRenderer::Get() {
  static const JsonRenderer renderer;
  return renderer;
}

bool JsonRenderer::AppendJson(std::string_view raw, std::string* out, std::string* why) const {
  JsonError error;
  if (!ValidateJsonObject(raw, &error)) {
    *why = absl::StrCat("byte ", error.offset + 1, ": not a JSON object: ", error.what);
    return false;
  }
  const size_t start = out->size();
  out->append(TrimJsonSpace(raw));
  // Valid JSON has raw line breaks between tokens only.
  for (size_t at = start; (at = out->find('\n', at)) != std::string::npos;) (*out)[at] = ' ';
  return true;
}

const RecordedJsonRenderer& RecordedJsonRenderer::Get() {
  static const RecordedJsonRenderer renderer;
  return renderer;
}

bool RecordedJsonRenderer::AppendJson(std::string_view raw, std::string* out,
                                      std::string* why) const {
  const size_t start = out->size();
  if (!JsonRenderer::Get().AppendJson(raw, out, why)) return false;
  const std::string_view record = std::string_view(*out).substr(start);
  size_t at = record.rfind("\"_source\":");
  while (at != std::string_view::npos && !IsPosition(record.substr(at))) {
    at = record.rfind("\"_source\":", at - 1);
  }
  if (at == std::string_view::npos) return true;
  if (record[at - 1] == ',') --at;
  out->resize(start + at);
  out->push_back('}');
  return true;
}

}  // namespace vigil::ingest
