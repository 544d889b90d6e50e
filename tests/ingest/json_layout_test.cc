// The layout parser, held to simdjson.
#include "ingest/json_layout.h"

#include <random>
#include <vector>

#include <catch2/catch.hpp>

#include "ingest/cpu.h"
#include "ingest/json_tokenizer.h"
#include "ingest/json_validate.h"
#include "tests/ingest/support.h"

namespace vigil::ingest {
namespace {

Projection TestProjection() {
  auto layout = std::make_shared<cep::Layout>();
  for (const char* name : {"type", "account", "amount", "ok", "missing"}) {
    layout->Add(name, cep::TypeKind::kDyn);
  }
  return {layout, "ts", false};
}

constexpr const char* kSeeds[] = {
    R"({"id":0,"ts":1700000000001,"type":"transaction","account":"A0074156","amount":11.91,"ok":false,"failed_attempts":0})",
    R"({"id": 0, "ts": 17, "type": "a, b: {c}", "amount": -1.5e3, "account": "", "ok": true})",
    R"({"type":"é€😀","ts":"2020-01-01T00:00:00Z","z":"","account":null,"amount":1})",
    R"({"ts":1})",
    R"({"amount":12345678901234567890.123456789,"ts":-1,"ok":"x","account":":","type":","})",
};

std::string Mutate(std::string text, std::mt19937* random) {
  constexpr std::string_view kBytes = "\"\"\"\\::,,{}[] 019-.eEtx\x01\x80\xC3\xA9/";
  const auto pick = [&](size_t n) { return static_cast<size_t>((*random)()) % n; };
  for (size_t n = pick(4); n > 0; --n) {
    const size_t at = pick(text.size());
    switch (pick(6)) {
      case 0:
        text[at] = kBytes[pick(kBytes.size())];
        break;
      case 1:
        text.erase(at, 1 + pick(3));
        break;
      case 2:
        text.insert(at, 1, kBytes[pick(kBytes.size())]);
        break;
      case 3:
        text.insert(at, text.substr(pick(text.size()), pick(12)));
        break;
      case 4:
        text.insert(at, pick(70), 'x');
        break;
      default:
        text[at] = text[pick(text.size())];
        break;
    }
    if (text.empty()) text = "{";
  }
  return text;
}

bool Parse(std::string_view line, JsonLayoutParser* layouts) {
  layouts->Scan(&line, 1);
  return layouts->Match(0, 1) == 1;
}

// The ways to scan a line that this machine has.
std::vector<SimdLevel> Levels() {
  std::vector<SimdLevel> levels;
  for (const SimdLevel level : {SimdLevel::kAvx2, SimdLevel::kAvx512}) {
    if (level <= BestSimdLevel()) levels.push_back(level);
  }
  return levels;
}

TEST_CASE("JsonLayoutParser: what it accepts, simdjson reads alike", "[ingest][property]") {
  const SimdLevel level = GENERATE(from_range(Levels()));
  const Projection projection = TestProjection();
  JsonLayoutParser layouts(projection, level);
  JsonTokenizer simdjson(projection);
  std::mt19937 random(11);
  size_t accepted = 0;
  size_t packable = 0;
  for (int i = 0; i < 300'000; ++i) {
    const PaddedText line(Mutate(kSeeds[random() % std::size(kSeeds)], &random));
    FieldTexts got(projection.names().size());
    FieldTexts expected(projection.names().size());
    JsonError error;
    const bool fast = Parse(line.view(), &layouts) && layouts.CheckReadScalars(0);
    if (fast) layouts.CopyTexts(0, &got);
    const bool valid = simdjson.Tokenize(line.view(), &expected, &error);
    if (fast && layouts.valid_json() == 1 && !ValidateJsonObject(line.view(), &error)) {
      FAIL(line.view() << "\nis not valid as a whole: " << error.what);
    }
    if (fast && !valid) FAIL(line.view() << "\nis not valid: " << error.what);
    if (!fast && valid) layouts.Learn(line.view());
    if (!fast) continue;
    ++accepted;
    cep::TextFrame::Sizes sizes;
    if (layouts.frame() != nullptr && layouts.CopySizes(1, &sizes) == 0) {
      const cep::TextFrame& frame = *layouts.frame();
      std::string packed(line.view().size() + frame.count() + cep::TextFrame::kPadding, '\0');
      frame.Pack(line.view().data(), sizes, packed.data());
      packed.resize(frame.count() + frame.ValueBytes(sizes));
      std::string unpacked;
      frame.AppendUnpacked(packed, &unpacked);
      if (unpacked != line.view()) FAIL(line.view() << "\nis not " << unpacked);
      ++packable;
    }
    for (size_t field = 0; field < got.size(); ++field) {
      if (got[field].data() != expected[field].data() ||
          got[field].size() != expected[field].size()) {
        FAIL(line.view() << "\nfield " << projection.names()[field] << " is " << expected[field]
                         << ", not " << got[field]);
      }
    }
  }
  CHECK(accepted > 30'000);
  CHECK(packable > 30'000);
}

// The same over whole records: rows and rejected records do not depend on which parser found the
// fields.
TEST_CASE("JsonCodec: rows do not depend on the layouts learned before", "[ingest][property]") {
  const SourceCase options = {.fields = {{"type", cep::TypeKind::kString},
                                         {"account", cep::TypeKind::kString},
                                         {"amount", cep::TypeKind::kDouble},
                                         {"ok", cep::TypeKind::kBool},
                                         {"id", cep::TypeKind::kInt}}};
  std::mt19937 random(13);
  std::string lines;
  std::vector<std::string> one_by_one;
  for (uint64_t i = 0; i < 20'000; ++i) {
    std::string line = Mutate(kSeeds[random() % std::size(kSeeds)], &random);
    if (line.find_first_not_of(" ") == std::string::npos) line = "{}";
    lines += line + "\n";
    // A source of its own has learned nothing: simdjson reads its one line.
    std::string row = ReadRows(options, line)[0];
    row = std::to_string(i) + row.substr(1);
    if (const size_t at = row.find("line 1"); at != std::string::npos) {
      row.replace(at, 6, "line " + std::to_string(i + 1));
    }
    one_by_one.push_back(row);
  }
  const std::vector<std::string> together = ReadRows(options, lines);
  REQUIRE(together.size() == one_by_one.size());
  for (size_t i = 0; i < together.size(); ++i) {
    if (together[i] != one_by_one[i]) FAIL(together[i] << "\n" << one_by_one[i]);
  }
}

TEST_CASE("JsonLayoutParser: declines what its layout does not account for", "[ingest][unit]") {
  const SimdLevel level = GENERATE(from_range(Levels()));
  const Projection projection = TestProjection();
  JsonLayoutParser layouts(projection, level);
  FieldTexts texts(projection.names().size());
  const PaddedText seed(R"({"id":1,"ts":2,"type":"a","x":true,"account":"b"})");
  CHECK_FALSE(Parse(seed.view(), &layouts));
  layouts.Learn(seed.view());
  CHECK(Parse(seed.view(), &layouts));
  layouts.CopyTexts(0, &texts);
  CHECK(texts[0] == "\"a\"");
  CHECK(texts[4].data() == nullptr);
  for (const char* line : {
           R"({"id":1,"ts":2,"type":"a","x":"t","account":"b"})",         // a string for a scalar
           R"({"id":1,"ts":2,"type":3,"x":true,"account":"b"})",          // and the other way round
           R"({"id":1,"ts":2,"type":"a","x":true,"accounts":"b"})",       // another name
           R"({"id":1,"ts":2,"type":"a","x":true,"account":"b","z":1})",  // another field
           R"({"id":1,"ts":2,"type":"a","x":true})",
           R"({"id":{},"ts":2,"type":"a","x":true,"account":"b"})",
           R"({"id":[],"ts":2,"type":"a","x":true,"account":"b"})",
           R"({"id":1,2,"ts":2,"type":"a","x":true,"account":"b"})",
           R"({"id":1:2,"ts":2,"type":"a","x":true,"account":"b"})",
           R"({"id":1 2,"ts":2,"type":"a","x":true,"account":"b"})",
           R"({"id":,"ts":2,"type":"a","x":true,"account":"b"})",
           R"({"id":1,"ts":2,"type":"a"x,"x":true,"account":"b"})",
           R"({"id":1,"ts":2,"type":"a""","x":true,"account":"b"})",
           R"({"id":1,"ts":2,"type":"\n","x":true,"account":"b"})",
           R"({"id":1,"ts":2,"type":"a","x":true,"account":"b"}})",
           R"({"id":1,"ts":2,"type":"a","x":true,"account":"b"]})",
           R"({"id":1,"ts":2,"type":"a","x":true,"account":"b"} )",
           R"( {"id":1,"ts":2,"type":"a","x":true,"account":"b"})",
           R"([{"id":1,"ts":2,"type":"a","x":true,"account":"b"})",
           "{\"id\":1,\"ts\":2,\"type\":\"\x01\",\"x\":true,\"account\":\"b\"}",
           "{\"id\":1,\"ts\":2,\"type\":\"\xFF\",\"x\":true,\"account\":\"b\"}",
           "{\"id\":\xC3\xA9,\"ts\":2,\"type\":\"a\",\"x\":true,\"account\":\"b\"}",
       }) {
    INFO(line);
    CHECK_FALSE(Parse(PaddedText(line).view(), &layouts));
  }
  const PaddedText other("{\"id\":1,\"ts\":2,\"type\":\"é, \",\"x\":0,\"account\":\"\"}");
  CHECK(Parse(other.view(), &layouts));
  layouts.CopyTexts(0, &texts);
  CHECK(texts[0] == "\"é, \"");
}

TEST_CASE("JsonLayoutParser: keeps a bounded number of layouts", "[ingest][unit]") {
  const Projection projection = TestProjection();
  JsonLayoutParser layouts(projection);
  for (int i = 0; i < 100; ++i) {
    const PaddedText line("{\"ts\":1,\"f" + std::to_string(i) + "\":2}");
    Parse(line.view(), &layouts);
    layouts.Learn(line.view());
    CHECK(Parse(line.view(), &layouts));
  }
  CHECK(layouts.layouts() <= JsonLayoutParser::kMaxLayouts);
}

}  // namespace
}  // namespace vigil::ingest
