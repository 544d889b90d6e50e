// Finds the structure of a JSON object without nesting, escapes or loose white space, 64 bytes at a
// time.
//
// This is what most recorded events look like: `{"a":1,"b":"x"}`, or as Python writes it `{"a": 1,
// "b": "x"}`. Every byte outside strings but the content of scalars is accounted for by bit
// arithmetic over masks of quotes, colons and commas (the method of Langdale and Lemire, "Parsing
// Gigabytes of JSON per Second", 2019), so a line that is accepted has exactly the structure found.
// Anything else is declined, not judged: simdjson or the validator decides about it.
// Tests: tests/ingest/json_layout_test.cc holds it to simdjson over mutated lines.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vigil::ingest {

struct FlatObject {
  static constexpr size_t kMaxFields = 256;
  static constexpr size_t kPositions =
      kMaxFields + 128;  // the scan writes up to a block's worth too many

  size_t count = 0;  // fields; at least one
  // 1 if exactly one space follows each colon and comma, 0 if none does.
  uint32_t gap = 0;
  // Where each field's name starts in the text, behind its quote. One more stands at the end, as if
  // another field followed, so that a value always ends ValueEnd() before the next name.
  std::array<uint32_t, kPositions> names;

  // The value of the field `i`, whose name is `name_size` bytes long.
  std::string_view Value(std::string_view text, size_t i, size_t name_size) const {
    const size_t start = names[i] + name_size + 2 + gap;  // quote, colon
    const size_t end = names[i + 1] - 2 - gap;            // comma, quote
    return text.substr(start, end - start);
  }
};

// Finds the fields' names. False: declined. Scalars are not looked at, strings are valid, and the
// text is valid UTF-8.
bool ScanFlatNames(std::string_view text, FlatObject* object);

// Whether the text is a flat object with valid scalars, and so valid JSON. False: declined.
bool IsValidFlatObject(std::string_view text);

}  // namespace vigil::ingest
