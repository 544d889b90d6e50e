// Finds the fields in use of a JSON line with simdjson (on demand): the reference that the layout
// parser is held to.
//
// A line is checked as far as simdjson walks it: UTF-8 and quotes of the whole line, the structure
// of its top level, braces and brackets below. Values are not looked at: who converts them checks
// them. Of a field that the line holds twice the last one counts. Field names are compared after
// their escapes are resolved.
#pragma once

#include <memory>
#include <string_view>

#include "cep/base/arena.h"
#include "ingest/json_text.h"
#include "ingest/projection.h"

namespace vigil::ingest {

// Thread safety: none.
class JsonTokenizer {
 public:
  // `projection` is borrowed and outlives the tokenizer.
  explicit JsonTokenizer(const Projection& projection);
  ~JsonTokenizer();

  // Sets `texts` (one per name): a scalar's or string's own text without spaces around it, a
  // string's quotes included; of an object or list the rest of the line from its first byte on.
  // ChunkPool::kPadding bytes behind `line` can be read. False, with the place and reason in
  // `error`, if the line is not a JSON object as far as it was checked.
  bool Tokenize(std::string_view line, FieldTexts* texts, JsonError* error);

 private:
  struct Parser;
  int MatchEscaped(const char* key, const char* end);
  bool Explain(std::string_view line, const char* fallback, JsonError* error);

  const Projection& projection_;
  std::unique_ptr<Parser> parser_;
  Arena arena_;  // unescaped names
};

}  // namespace vigil::ingest
