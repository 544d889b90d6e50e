// Lines are packed and had back byte by byte.
#include "cep/event/text_frame.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace vigil::cep {
namespace {

class RandomLine {
 public:
  explicit RandomLine(uint32_t seed) : random_(seed) {
    for (size_t i = 0, count = 1 + Pick(TextFrame::kMaxValues); i <= count; ++i) {
      texts.push_back(Bytes(Pick(8) == 0 ? 0 : Pick(33)));
    }
    const size_t most = 1 + Pick(Pick(3) == 0 ? TextFrame::kMaxValueSize + 1 : 20);
    for (size_t i = 0; i + 1 < texts.size(); ++i) {
      values.push_back(Bytes(Pick(most)));
      sizes[i] = static_cast<uint8_t>(values[i].size());
      line += texts[i] + values[i];
      packed += static_cast<char>(sizes[i]);
    }
    line += texts.back();
    for (const std::string& value : values) packed += value;
    // What is behind the last whole sixteen may be anything.
    std::fill(sizes.begin() + static_cast<long>((values.size() + 15) / 16 * 16), sizes.end(),
              uint8_t{0xAB});
  }

  std::vector<std::string> texts;
  std::vector<std::string> values;
  TextFrame::Sizes sizes{};
  std::string line;
  std::string packed;

 private:
  size_t Pick(size_t n) { return static_cast<size_t>(random_()) % n; }
  std::string Bytes(size_t size) {
    std::string bytes(size, ' ');
    for (char& byte : bytes) byte = static_cast<char>(random_());
    return bytes;
  }

  std::mt19937 random_;
};

TEST_CASE("TextFrame: what is packed is had back", "[cep][property]") {
  for (uint32_t seed = 0; seed < 20'000; ++seed) {
    INFO("seed " << seed);
    const RandomLine line(seed);
    const TextFrame frame(line.texts);
    REQUIRE(frame.count() == line.values.size());
    const size_t bytes = frame.ValueBytes(line.sizes);
    REQUIRE(frame.texts_size() + bytes == line.line.size());
    REQUIRE(frame.count() + bytes == line.packed.size());

    const std::string from = line.line + std::string(TextFrame::kPadding, 'x');
    std::string packed(line.packed.size() + TextFrame::kPadding, 'y');
    packed += "end";
    frame.Pack(from.data(), line.sizes, packed.data());
    REQUIRE(packed.substr(packed.size() - 3) == "end");
    packed.resize(line.packed.size());
    REQUIRE(packed == line.packed);

    REQUIRE(frame.UnpackedSize(packed) == line.line.size());
    std::string unpacked = "before";
    frame.AppendUnpacked(packed, &unpacked);
    REQUIRE(unpacked == "before" + line.line);

    for (size_t i = 0; i < line.values.size(); ++i) {
      const std::string& value = line.values[i];
      REQUIRE(line.line.compare(frame.StartInLine(i, line.sizes), value.size(), value) == 0);
      REQUIRE(packed.compare(frame.StartInPacked(i, line.sizes), value.size(), value) == 0);
    }
  }
}

TEST_CASE("TextFrame: frames of other texts, or cut otherwise, have other keys", "[cep][unit]") {
  const auto key = [](const std::vector<std::string>& texts) { return TextFrame(texts).Key(); };
  CHECK(key({"ab", "c"}) == key({"ab", "c"}));
  CHECK(key({"ab", "c"}) != key({"a", "bc"}));
  CHECK(key({"ab", "c"}) != key({"ab", "d"}));
  CHECK(key({"ab", "c", ""}) != key({"ab", "c"}));
}

}  // namespace
}  // namespace vigil::cep
