// What a captured event holds is what the row held, whether its line was packed or not.
#include "patterns/match_store.h"

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

namespace vigil::patterns {
namespace {

using cep::ColumnKind;
using cep::Value;

// Rows of random lines, of up to three frames or none. Fields of columns are values of the line,
// texts of their own, lists, or absent.
class RandomRows {
 public:
  explicit RandomRows(uint32_t seed)
      : random_(seed), batch_(MakeLayout()), block(batch_.layout, 0) {
    std::vector<std::vector<std::string>> frames(1 + Pick(3));
    for (std::vector<std::string>& texts : frames) {
      for (size_t i = 0, count = 2 + Pick(20); i < count; ++i) texts.push_back(Text(1 + Pick(30)));
      batch_.frames.push_back(std::make_shared<const cep::TextFrame>(texts));
    }
    lines.resize(kRows);
    for (uint32_t row = 0; row < kRows; ++row) {
      const size_t frame = Pick(frames.size());
      AddLine(frames[frame], row);
      batch_.frame_of[row] = Pick(4) == 0 ? uint8_t{0} : static_cast<uint8_t>(frame + 1);
      batch_.is_json[row] = 1;
      batch_.raw[row] = {lines[row].data(), lines[row].size() - cep::TextFrame::kPadding};
      batch_.offsets[row] = random_();
      batch_.partitions[row] = &partitions_[Pick(2)];
      block.refs[row] = {&batch_, row};
      block.ts[row] = row;
      Fill(row);
    }
    block.rows = kRows;
  }

  static constexpr uint32_t kRows = 40;

  std::string line(uint32_t row) const { return std::string(batch_.raw[row]); }
  const cep::Batch& batch() const { return batch_; }

  std::vector<std::string> lines;  // with padding

 private:
  std::shared_ptr<const cep::Layout> MakeLayout() {
    auto layout = std::make_shared<cep::Layout>();
    const cep::TypeKind kinds[] = {cep::TypeKind::kInt, cep::TypeKind::kDouble,
                                   cep::TypeKind::kBool, cep::TypeKind::kString,
                                   cep::TypeKind::kDyn};
    for (size_t i = 0, count = 1 + Pick(8); i < count; ++i) {
      const uint32_t slot = layout->Add("f" + std::to_string(i), kinds[Pick(5)]);
      if (Pick(3) > 0) layout->Keep(slot);
    }
    return layout;
  }

  void AddLine(const std::vector<std::string>& texts, uint32_t row) {
    values_.clear();
    std::string& line = lines[row];
    std::fill(batch_.value_sizes[row].begin(), batch_.value_sizes[row].end(), uint8_t{0});
    for (size_t i = 0; i + 1 < texts.size(); ++i) {
      line += texts[i];
      const size_t size = Pick(Pick(9) == 0 ? 255 : 18);
      values_.emplace_back(line.size(), size);
      batch_.value_sizes[row][i] = static_cast<uint8_t>(size);
      line += Text(size);
    }
    line += texts.back() + std::string(cep::TextFrame::kPadding, 'x');
  }

  // A part of a value of the row's line, or a text of its own.
  Value AnyText(uint32_t row) {
    if (Pick(4) == 0) {
      kept_.push_back(std::make_unique<std::string>(Text(Pick(40))));
      return Value::String(*kept_.back());
    }
    const auto [start, size] = values_[Pick(values_.size())];
    const size_t skipped = Pick(size + 1);
    return Value::String(
        std::string_view(lines[row]).substr(start + skipped, Pick(size - skipped + 1)));
  }

  void Fill(uint32_t row) {
    const bool has_all = Pick(2) == 0;
    for (uint32_t slot = 0; slot < block.columns.size(); ++slot) {
      cep::Column& column = block.columns[slot];
      if (!has_all && Pick(5) == 0) {
        column.Set(row, Pick(2) == 0 ? Value() : Value::Null());
      } else if (column.kind() == ColumnKind::kInt) {
        column.Set(row, Value::Int(static_cast<int64_t>(random_())));
      } else if (column.kind() == ColumnKind::kDouble) {
        column.Set(row, Value::Double(static_cast<double>(random_()) / 8));
      } else if (column.kind() == ColumnKind::kBool) {
        column.Set(row, Value::Bool(Pick(2) == 0));
      } else if (column.kind() == ColumnKind::kString || Pick(2) == 0) {
        column.Set(row, AnyText(row));
      } else {
        lists_.push_back(std::make_unique<std::vector<Value>>());
        for (size_t i = Pick(4); i > 0; --i) lists_.back()->push_back(AnyText(row));
        column.Set(
            row, Value::List(lists_.back()->data(), static_cast<uint32_t>(lists_.back()->size())));
      }
    }
  }

  size_t Pick(size_t n) { return static_cast<size_t>(random_()) % n; }
  std::string Text(size_t size) {
    std::string text(size, ' ');
    for (char& byte : text) byte = static_cast<char>('a' + Pick(26));
    return text;
  }

  std::mt19937 random_;
  cep::Batch batch_;
  const cep::Partition partitions_[2] = {{"", "", 0, "one"}, {"", "", 1, "two"}};
  std::vector<std::pair<size_t, size_t>> values_;  // of the line at hand: start and size
  std::vector<std::unique_ptr<std::string>> kept_;
  std::vector<std::unique_ptr<std::vector<Value>>> lists_;

 public:
  cep::OrderedBlock block;
};

bool IsSame(const Value& a, const Value& b) {
  if (a.tag != b.tag) return false;
  if (a.tag == cep::ValueTag::kString) return a.text() == b.text();
  if (a.tag != cep::ValueTag::kList) return a.u == b.u;
  return std::equal(a.list, a.list + a.size, b.list, b.list + b.size, IsSame);
}

TEST_CASE("MatchStore: a captured event is what its row was", "[patterns][property]") {
  MatchStore store;
  for (uint32_t seed = 0; seed < 400; ++seed) {
    INFO("seed " << seed);
    RandomRows rows(seed);
    store.BeginRows(rows.block);
    std::vector<uint32_t> events;
    std::string why;
    for (uint32_t row = 0; row < rows.kRows; ++row) events.push_back(store.Capture(row, &why));
    REQUIRE(store.live_events() == events.size());
    for (uint32_t row = 0; row < rows.kRows; ++row) {
      const cep::CapturedEvent& event = store.event(events[row]);
      REQUIRE(event.Json() == rows.line(row));
      REQUIRE(event.json_size() == rows.line(row).size());
      REQUIRE(event.ts == rows.block.ts[row]);
      REQUIRE(event.offset == rows.batch().offsets[row]);
      REQUIRE(event.partition() == rows.batch().partitions[row]);
      for (uint32_t slot = 0; slot < rows.block.columns.size(); ++slot) {
        const bool is_kept = rows.block.layout->slots()[slot].is_kept;
        INFO("row " << row << " slot " << slot);
        REQUIRE(IsSame(event.Get(slot), is_kept ? rows.block.columns[slot].Get(row) : Value()));
      }
    }
    // What is put into the memory of others leaves those that stay alone.
    std::vector<uint32_t> kept;
    for (uint32_t row = 0; row < rows.kRows; ++row) {
      if (row % 3 == 0) kept.push_back(row);
      if (row % 3 != 0) store.Release(events[row]);
    }
    for (uint32_t row = 0; row < rows.kRows; ++row) {
      if (row % 3 != 0) events[row] = store.Capture(row, &why);
    }
    for (const uint32_t row : kept) {
      REQUIRE(store.event(events[row]).Json() == rows.line(row));
    }
    for (const uint32_t event : events) store.Release(event);
    REQUIRE(store.live_events() == 0);
    REQUIRE(store.event_bytes() == 0);
  }
}

}  // namespace
}  // namespace vigil::patterns
