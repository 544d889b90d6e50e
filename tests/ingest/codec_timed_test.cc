// Times that are expressions: what has none is rejected, and costs no other record.
#include "ingest/codec_timed.h"

#include <deque>
#include <functional>

#include <catch2/catch.hpp>

#include "tests/ingest/live_support.h"

namespace vigil::ingest {
namespace {

class Computed : public cep::Expression {
 public:
  explicit Computed(std::function<cep::Value(const cep::EvalContext&)> eval)
      : eval_(std::move(eval)) {}
  cep::Value Eval(const cep::EvalContext& context) const override {
    ++evaluations;
    return eval_(context);
  }
  const std::string& text() const override { return text_; }
  mutable int evaluations = 0;

 private:
  std::function<cep::Value(const cep::EvalContext&)> eval_;
  const std::string text_ = "a * 2";
};

// Lines `{"a":N}` or others, decoded.
std::vector<std::string> Decode(const std::vector<std::string>& lines,
                                std::shared_ptr<const Computed> time) {
  SourceCodec parts = CodecFor({{"a", cep::Type(cep::TypeKind::kInt)}});
  parts.options.time.field.clear();
  parts.time = std::move(time);
  const auto codec = parts.Timed(MakeCodec({{}}, parts.options).value());
  cep::Batch batch(parts.options.layout);
  batch.renderer = &codec->renderer();
  const cep::Partition partition{"s", "t", 0, "s/t/0"};
  std::deque<PaddedText> kept;
  std::vector<RawRecord> records;
  for (const std::string& line : lines) {
    kept.emplace_back(line);
    records.push_back({kept.back().view(), &partition, records.size(), 0, nullptr});
  }
  CHECK(codec->Decode(records.data(), records.size(), &batch) == records.size());
  std::vector<std::string> rows;
  AppendRows(batch, &rows);
  return rows;
}

cep::Value TwiceA(const cep::EvalContext& context) {
  const cep::Value a = context.block->columns[0].Get(context.row);
  if (a.tag != cep::ValueTag::kInt) return cep::Value::Error("no such key: a");
  return cep::Value::Int(2 * a.i);
}

TEST_CASE("TimedCodec: rows without a time are rejected in their place", "[ingest][unit]") {
  using Rows = std::vector<std::string>;
  const std::string huge = R"({"a":200000000000000})";
  CHECK(Decode({R"({"a":1})", "no", R"({"b":1})", R"({"a":2})", huge, R"({"a":3})"},
               std::make_shared<Computed>(TwiceA)) ==
        Rows{"0@2: 1", "1 rejected: byte 1: not a JSON object: expected an object",
             "2 rejected: no event time: `a * 2`: no such key: a", "3@4: 2",
             "4 rejected: no event time: `a * 2`: outside the years 0001 to 9999", "5@6: 3"});
}

TEST_CASE("TimedCodec: a number of any type, or a timestamp", "[ingest][unit]") {
  using cep::Value;
  const auto [value, expected] = GENERATE(table<Value, std::string>({
      {Value::Uint(7), "0@7: 1"},
      {Value::Double(7.9), "0@7: 1"},
      {Value::Double(-0.5), "0@-1: 1"},
      {Value::Time(cep::ValueTag::kTimestamp, 5, 999'999'999), "0@5999: 1"},
      {Value::Double(1e300), "0 rejected: no event time: `a * 2`: outside the years 0001 to 9999"},
      {Value::Uint(~uint64_t{0}),
       "0 rejected: no event time: `a * 2`: outside the years 0001 to 9999"},
      {Value::String("x"),
       "0 rejected: no event time: `a * 2`: it is neither a number of milliseconds nor a "
       "timestamp"},
  }));
  CHECK(Decode({R"({"a":1})"}, std::make_shared<Computed>([v = value](const cep::EvalContext&) {
                 return v;
               })) == std::vector<std::string>{expected});
}

TEST_CASE("TimedCodec: a thousand records without a time cost no more than two decodings each",
          "[ingest][unit]") {
  const auto time = std::make_shared<Computed>(TwiceA);
  CHECK(Decode(std::vector<std::string>(1000, "{}"), time).size() == 1000);
  CHECK(time->evaluations == 1000);
}

}  // namespace
}  // namespace vigil::ingest
