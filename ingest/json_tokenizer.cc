#include "ingest/json_tokenizer.h"

#include <algorithm>

#include <simdjson.h>

#include "ingest/chunk_pool.h"
#include "ingest/json_validate.h"

namespace vigil::ingest {

static_assert(ChunkPool::kPadding >= simdjson::SIMDJSON_PADDING);

struct JsonTokenizer::Parser {
  simdjson::ondemand::parser parser;
};

namespace {

// A value's own text, given that it starts at token.data() and ends before token's end.
std::string_view TextOf(std::string_view token, const char* line_end) {
  if (!token.empty() && (token[0] == '{' || token[0] == '[')) {
    return {token.data(), static_cast<size_t>(line_end - token.data())};
  }
  return TrimJsonSpace(token);
}

}  // namespace

JsonTokenizer::JsonTokenizer(const Projection& projection)
    : projection_(projection), parser_(std::make_unique<Parser>()) {}

JsonTokenizer::~JsonTokenizer() = default;

bool JsonTokenizer::Tokenize(std::string_view line, FieldTexts* texts, JsonError* error) {
  std::fill(texts->begin(), texts->end(), std::string_view());
  const char* const line_end = line.data() + line.size();
  const bool escapes = line.find('\\') != std::string_view::npos;
  simdjson::ondemand::document document;
  simdjson::ondemand::object object;
  auto code =
      parser_->parser.iterate(line.data(), line.size(), line.size() + simdjson::SIMDJSON_PADDING)
          .get(document);
  if (code == simdjson::SUCCESS) code = document.get_object().get(object);
  if (code != simdjson::SUCCESS) return Explain(line, simdjson::error_message(code), error);
  for (auto result : object) {
    simdjson::ondemand::field field;
    code = std::move(result).get(field);
    if (code != simdjson::SUCCESS) return Explain(line, simdjson::error_message(code), error);
    const char* const key = field.key().raw();
    const int place = escapes ? MatchEscaped(key, line_end) : projection_.FindQuoted(key, line_end);
    if (place < 0) continue;
    (*texts)[static_cast<size_t>(place)] = TextOf(field.value().raw_json_token(), line_end);
  }
  // Where simdjson stands after the object: nowhere, unless something follows it.
  if (document.current_location().error() != simdjson::OUT_OF_BOUNDS) {
    return Explain(line, "unexpected content after the object", error);
  }
  return true;
}

int JsonTokenizer::MatchEscaped(const char* key, const char* end) {
  const StringScan scan = ScanJsonString(key, end);
  if (scan.end == nullptr) return -1;
  const std::string_view name(key, static_cast<size_t>(scan.end - key));
  if (!scan.escaped) return projection_.Find(name);
  arena_.Reset();
  return projection_.Find(UnescapeJson(name, &arena_));
}

// simdjson says what is wrong, not where; the validator does.
bool JsonTokenizer::Explain(std::string_view line, const char* fallback, JsonError* error) {
  if (ValidateJsonObject(line, error)) *error = {0, fallback};
  return false;
}

}  // namespace vigil::ingest
