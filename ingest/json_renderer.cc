#include "ingest/json_renderer.h"

#include <absl/strings/str_cat.h>

#include "ingest/json_validate.h"

namespace vigil::ingest {

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

}  // namespace vigil::ingest
