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
// names are compared, so of two fields with one name the last counts here too. Tests:
// tests/ingest/json_layout_test.cc (against simdjson over mutated lines), tests/fuzz/json_fuzz.cc.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cep/event/text_frame.h"
#include "ingest/cpu.h"
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
  // Lines in a group, one bit each.
  static constexpr size_t kMaxGroup = 64;

  // A field of a layout that is read.
  struct Use {
    uint32_t field = 0;  // in the line
    uint32_t place = 0;  // in the projection
    uint32_t quote = 0;  // 1 for a string: its quotes belong to the value's text
  };

  // The texts of one field of a run, by line.
  class TextsOfRun {
   public:
    std::string_view operator()(size_t line) const {
      const uint32_t start = starts_[line * step_] - quote_;
      const uint32_t end = ends_[line * step_] + quote_;
      return {lines_[line].data() + start, end - start};
    }

   private:
    friend class JsonLayoutParser;
    TextsOfRun(const std::string_view* lines, const uint32_t* starts, const uint32_t* ends,
               size_t step, uint32_t quote)
        : lines_(lines), starts_(starts), ends_(ends), step_(step), quote_(quote) {}

    const std::string_view* lines_;
    const uint32_t* starts_;
    const uint32_t* ends_;
    size_t step_;
    uint32_t quote_;
  };

  // `projection` is borrowed and outlives the parser.
  explicit JsonLayoutParser(const Projection& projection, SimdLevel simd = BestSimdLevel());

  // Takes up a group of at most kMaxGroup lines. ChunkPool::kPadding bytes behind each are read.
  void Scan(const std::string_view* lines, size_t count);

  // Finds the fields of the group's lines from `first` on, at most `most` of them, as far as they
  // keep one layout: they are the run that the functions below speak of, counted from 0. Returns
  // their number; 0: the first one is declined. Accepted lines hold no backslash and no control
  // character.
  size_t Match(size_t first, size_t most);

  // The fields of the run's lines. Of two uses with one place the later one counts.
  const std::vector<Use>& uses() const { return layouts_[current_].uses; }
  TextsOfRun TextsOf(const Use& use) const {
    return {&lines_[first_], Starts(0) + stride_ + use.field, Starts(0) + use.field + 1,
            2 * stride_, use.quote};
  }
  // Whether they have all of the projection's fields.
  bool has_all() const { return layouts_[current_].has_all; }
  // The lines, a bit each, that are valid JSON as a whole if the scalars that are read are valid.
  uint64_t valid_json() const { return valid_json_; }

  // The texts between the values of the run's lines; null if these are too many.
  const std::shared_ptr<const cep::TextFrame>& frame() const { return layouts_[current_].frame; }
  // Sets the sizes of the values of the first `count` lines of the run, which have a frame().
  // Returns the lines, a bit each, that have a longer one than such sizes may say.
  uint64_t CopySizes(size_t count, cep::TextFrame::Sizes* sizes) const;

  // Match() leaves the scalars that are read to whoever converts them: a text that turns out not to
  // be one of the usual kinds may not be a token. False: it is not, and the line counts as
  // declined. May take the line out of valid_json().
  bool CheckReadScalars(size_t line);

  // Sets `texts` as JsonTokenizer::Tokenize() does.
  void CopyTexts(size_t line, FieldTexts* texts) const;

  // Remembers the layout of a line that was declined and turned out to be valid, if it can be.
  void Learn(std::string_view line);

  size_t layouts() const { return layouts_.size(); }

 private:
  // The text before the value of a field (or, at the end, before the line's end).
  struct alignas(32) Text {
    std::array<char, kMaxText> bytes{};
    std::array<uint8_t, kMaxText> mask{};
  };
  // The vectors of a number a text are padded with zeros to whole vectors of eight.
  struct Layout {
    std::vector<Text> texts;  // one per field, and the line's end; padded with texts of no bytes
    uint32_t fields = 0;
    // By text: its start is so many bytes before its name's colon (or the line's end), and its end
    // so many behind it.
    std::vector<uint32_t> before_colon;
    std::vector<uint32_t> after_colon;
    // By text but the first: the least distance of its colon to the one before, so that texts do
    // not overlap and no scalar is empty.
    std::vector<uint32_t> least_gap;
    // Fields whose values are no strings: those that are not read, and those that are.
    std::vector<uint32_t> unread_scalars;
    std::vector<uint32_t> read_scalars;
    std::vector<Use> uses;
    bool has_all = false;
    std::shared_ptr<const cep::TextFrame> frame;
    uint32_t quotes = 0;  // in the whole line
  };
  // What one pass over a line tells.
  struct Line {
    uint32_t colons = 0;  // in colons_, where those behind names are
    uint32_t fields = 0;  // how many these are; 0: declined
    uint32_t quotes = 0;
  };
  // The scan of a line leaves so much behind its colons.
  static constexpr size_t kAfterColons = 9;
  static constexpr size_t kColonsRoom = kMaxFields + 64 + 16;

  static uint32_t* ScanLine(std::string_view line, uint32_t* colons, Line* result);
  static uint32_t* ScanLine512(std::string_view line, uint32_t* colons, Line* result);
  static uint32_t* EndScan(std::string_view line, uint32_t* colons, uint32_t* end, bool is_odd,
                           Line* result);
  uint32_t* Starts(size_t line) { return spans_.data() + line * 2 * stride_; }
  const uint32_t* Starts(size_t line) const { return spans_.data() + line * 2 * stride_; }
  bool FindLayout();
  bool Matches(const Layout& layout, size_t line);
  bool AreTokens(const std::vector<uint32_t>& fields, size_t line);
  static std::shared_ptr<const cep::TextFrame> FrameOf(const Layout& layout);
  bool MakeLayout(std::string_view line, Layout* layout) const;
  void Keep(Layout layout);

  const Projection& projection_;
  const SimdLevel simd_;
  std::array<std::string_view, kMaxGroup> lines_;
  std::array<Line, kMaxGroup> scanned_;
  std::vector<uint32_t> colons_;  // of all lines of the group
  size_t first_ = 0;              // the run's first line
  // By line of the run and text of its layout: where it starts, and `stride_` behind, where it
  // ends.
  std::vector<uint32_t> spans_;
  size_t stride_ = 0;
  uint64_t valid_json_ = 0;
  FlatObject object_;
  uint32_t declined_ = 0;  // lines in a row that could not be scanned or learned
  std::vector<Layout> layouts_;
  size_t current_ = 0;  // the layout that accepted the last run
  size_t oldest_ = 0;
};

}  // namespace vigil::ingest
