// Writes JSON field texts into the columns of a batch, converting them to the columns' types.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "cep/event/batch.h"
#include "ingest/event_time.h"
#include "ingest/json_value.h"
#include "ingest/scalar_text.h"

namespace vigil::ingest {

// Thread safety: none. The conversions by type are those of JsonValueReader; JSON null is null for
// every type.
class JsonFieldWriter {
 public:
  enum class Outcome : uint8_t {
    kWritten,    // present, absent or null
    kMismatch,   // of another type than the column: written as a mismatch
    kMalformed,  // not JSON: the record must be rejected
  };

  // Writes row `row` of `column` if `text` is just what the column holds: a number that fits, a
  // bool, a string without escapes (which is not copied). Otherwise, also for absent and null
  // fields, false: WriteSlow() must be called. `text` is what JsonTokenizer::Tokenize() found;
  // 16 bytes from its start may be read. `plain`: the line holds no backslash and no control
  // character.
  static bool WriteFast(std::string_view text, bool plain, uint32_t row, cep::Column* column) {
    if (text.data() == nullptr) return false;
    switch (column->kind()) {
      case cep::ColumnKind::kInt:
        if (ParseIntPadded(text, column->ints() + row) != NumberError::kNone) return false;
        break;
      case cep::ColumnKind::kDouble:
        if (ParseDoublePadded(text, column->doubles() + row) != NumberError::kNone) return false;
        break;
      case cep::ColumnKind::kString:
        if (!plain || text.empty() || text[0] != '"') return false;
        column->strings()[row] = {text.data() + 1, text.size() - 2};
        break;
      case cep::ColumnKind::kBool:
        if (text != "true" && text != "false") return false;
        column->bools()[row] = text.size() == 4 ? 1 : 0;
        break;
      case cep::ColumnKind::kValue:
        return false;
    }
    if (!column->all_present()) column->states()[row] = cep::FieldState::kPresent;
    return true;
  }

  // WriteFast() of a run of lines without backslash: `text_of(i)` goes to row `first` + i. Returns
  // those i, a bit each, for which it was false. At most 64 lines.
  template <typename TextOf>
  static uint64_t WriteRun(TextOf text_of, size_t count, uint32_t first, cep::Column* column) {
    uint64_t odd = 0;
    const auto convert = [&](auto* out, auto parse) {
      for (size_t i = 0; i < count; ++i) odd |= uint64_t{!parse(text_of(i), out + first + i)} << i;
    };
    switch (column->kind()) {
      case cep::ColumnKind::kInt:
        convert(column->ints(), [](std::string_view text, int64_t* out) {
          return ParseIntPadded(text, out) == NumberError::kNone;
        });
        break;
      case cep::ColumnKind::kDouble:
        convert(column->doubles(), [](std::string_view text, double* out) {
          return ParseDoublePadded(text, out) == NumberError::kNone;
        });
        break;
      case cep::ColumnKind::kString:
        convert(column->strings(), [](std::string_view text, std::string_view* out) {
          *out = {text.data() + 1, text.size() - 2};
          return text[0] == '"';
        });
        break;
      case cep::ColumnKind::kBool:
        convert(column->bools(), [](std::string_view text, uint8_t* out) {
          *out = text == "true" ? 1 : 0;
          return *out != 0 || text == "false";
        });
        break;
      case cep::ColumnKind::kValue:
        return ~uint64_t{0} >> (64 - count);
    }
    if (!column->all_present()) {
      std::fill_n(column->states() + first, count, cep::FieldState::kPresent);
    }
    return odd;
  }

  // The same for any text, also that of an absent field (its data() is null). `unit`: how a number
  // in a timestamp field is read.
  Outcome WriteSlow(std::string_view text, const cep::Type& type, TimeUnit unit, uint32_t row,
                    cep::Column* column, Arena* arena);

  // The text of a string field, unescaped into `arena` if need be. False if it is not a valid
  // string.
  bool ReadString(std::string_view text, Arena* arena, std::string_view* out);

  // After kMalformed: where in `text` and why.
  const JsonError& error() const { return reader_.error(); }
  // After kMismatch: what was found, as messages call it.
  const char* found() const { return reader_.mismatch(); }

 private:
  JsonValueReader reader_;
};

}  // namespace vigil::ingest
