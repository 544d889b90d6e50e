// Finds the fields in use of JSON lines by their remembered layout, several times faster than a
// general parser.
//
// Events of one kind hold the same names in the same order, with strings in the same places. A
// layout, learned from one line, is the list of texts between the values of such a line: `{"id":`,
// `,"type":"`, `","account":"`, ... , `"}`. A line is accepted by a layout if
//   (1) it has no backslash and no control character, and is valid UTF-8;
//   (2) as many colons follow a quote as the layout has names, and before each of them stands the
//   layout's text, the
//       first one at the line's start, the last text at its end, and no two overlap;
//   (3) it has no quotes but those in these texts, so each string value is one string;
//   (4) each scalar value is one token: not empty, without `,:[]{}`, spaces and bytes beyond ASCII.
// Such a line is one flat object whose values lie between the texts, and simdjson finds the same
// ones; scalars are as unchecked as simdjson's until they are converted. A line that no layout
// accepts is declined: simdjson (JsonTokenizer) is asked, and what it accepts may be learned. All
// names are compared, so of two fields with one name the last counts here too. Without AVX2 every
// line is declined. Tests: tests/ingest/json_layout_test.cc (against simdjson over mutated lines),
// tests/fuzz/json_fuzz.cc.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/json_flat.h"
#include "ingest/projection.h"

namespace vigil::ingest {

// Thread safety: none.
class JsonLayoutParser {
 public:
  // Layouts remembered at a time; a new one replaces the oldest.
  static constexpr size_t kMaxLayouts = 16;
  static constexpr size_t kMaxFields = 128;
  // Longer texts between values are not learned: one compare of 32 bytes has to do.
  static constexpr size_t kMaxText = 32;

  // `projection` is borrowed and outlives the parser.
  explicit JsonLayoutParser(const Projection& projection) : projection_(projection) {}

  // Sets `texts` as JsonTokenizer::Tokenize() does. False: declined. ChunkPool::kPadding bytes
  // behind `line` are read. An accepted line holds no backslash and no control character.
  bool Parse(std::string_view line, FieldTexts* texts);

  // Parse() leaves the scalars that are read to whoever converts them: a text that turns out not to
  // be one of the usual kinds may not be a token. False: it is not, and the line counts as
  // declined.
  bool CheckReadScalars(std::string_view line);

  // Whether the line accepted last is valid JSON as a whole, if the scalars that are read are
  // valid, too.
  bool is_valid_json() const { return is_valid_json_; }

  // Remembers the layout of a line that was declined and turned out to be valid, if it can be.
  void Learn(std::string_view line);

  size_t layouts() const { return layouts_.size(); }

 private:
  // The text before the value of a field (or, at the end, before the line's end).
  struct alignas(32) Text {
    std::array<char, kMaxText> bytes{};
    std::array<uint8_t, kMaxText> mask{};
  };
  struct Use {
    uint32_t field = 0;  // in the line
    uint32_t place = 0;  // in the projection
    uint32_t quote = 0;  // 1 for a string: its quotes belong to the value's text
  };
  struct Layout {
    std::vector<Text> texts;  // one per field, and the line's end
    // By text: its start is so many bytes before its name's colon (or the line's end), and its end
    // so many behind it.
    std::vector<uint32_t> before_colon;
    std::vector<uint32_t> after_colon;
    // By text but the first: the least distance of its colon to the one before, so that texts do
    // not overlap and no scalar is empty. Padded with zeros to whole vectors of eight.
    std::vector<uint32_t> least_gap;
    // Fields whose values are no strings: those that are not read, and those that are.
    std::vector<uint32_t> unread_scalars;
    std::vector<uint32_t> read_scalars;
    std::vector<Use> uses;
    uint32_t quotes = 0;  // in the whole line
  };
  // Where the colons behind names are, and what else one pass over the line tells.
  struct Scan {
    uint32_t count = 0;
    uint32_t quotes = 0;
    std::array<uint32_t, kMaxFields + 64 + 16> colons;
  };

  static bool ScanLine(std::string_view line, Scan* scan);
  static bool Matches(const Layout& layout, std::string_view line, const Scan& scan);
  bool CheckScalars(const std::vector<uint32_t>& fields, const Layout& layout,
                    std::string_view line);
  bool Find(std::string_view line);
  bool MakeLayout(std::string_view line, Layout* layout) const;
  void Keep(Layout layout);

  const Projection& projection_;
  Scan scan_;
  FlatObject object_;
  bool is_valid_json_ = false;
  uint32_t declined_ = 0;  // lines in a row that could not be scanned or learned
  std::vector<Layout> layouts_;
  size_t current_ = 0;  // the layout that accepted the last line
  size_t oldest_ = 0;
};

}  // namespace vigil::ingest
