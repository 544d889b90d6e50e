// Lines of JSON through every door they can take: the codec (strict or not, fields of all types),
// the layout parser against simdjson, the renderer against simdjson. The first byte chooses
// options; the rest is the input.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "cep/base/check.h"
#include "ingest/json_layout.h"
#include "ingest/json_renderer.h"
#include "ingest/json_tokenizer.h"
#include "ingest/json_validate.h"
#include "ingest/line_reader.h"
#include "tests/ingest/support.h"

namespace vigil::ingest {
namespace {

constexpr char kTeach[] = "{\"ts\":1,\"a\":\"x\",\"b\":2}\n";

// On every line that the layout parser accepts it must find what simdjson finds.
void CompareParsers(std::string_view text) {
  auto layout = std::make_shared<cep::Layout>();
  layout->Add("a", cep::TypeKind::kDyn);
  layout->Add("b", cep::TypeKind::kDyn);
  const Projection projection(layout, "ts", false);
  JsonLayoutParser layouts(projection);
  JsonTokenizer simdjson(projection);
  LineReader lines(std::make_unique<TextSource>(kTeach + std::string(text)));
  Line line;
  while (lines.Next(&line)) {
    FieldTexts got(projection.names().size());
    FieldTexts expected(projection.names().size());
    JsonError error;
    layouts.Scan(&line.text, 1);
    const bool fast = layouts.Match(0, 1) == 1 && layouts.CheckReadScalars(0);
    if (fast) layouts.CopyTexts(0, &got);
    const bool valid = simdjson.Tokenize(line.text, &expected, &error);
    CEP_CHECK(!fast || valid);
    for (size_t i = 0; fast && i < got.size(); ++i) {
      CEP_CHECK(got[i].data() == expected[i].data() && got[i].size() == expected[i].size());
    }
    if (!fast && valid) layouts.Learn(line.text);
    // What is valid as a whole is valid as far as it is read.
    if (ValidateJsonObject(line.text, &error)) CEP_CHECK(valid);
    std::string out;
    std::string why;
    if (JsonRenderer::Get().AppendJson(line.text, &out, &why)) {
      CEP_CHECK(ValidateJsonObject(out, &error));
      CEP_CHECK(out.find('\n') == std::string::npos);
    }
  }
}

}  // namespace
}  // namespace vigil::ingest

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vigil;  // NOLINT(google-build-using-namespace)
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  using cep::Type;
  using cep::TypeKind;
  const ingest::SourceCase options = {.fields = {{"a", TypeKind::kString},
                                                 {"b", TypeKind::kDouble},
                                                 {"i", TypeKind::kInt},
                                                 {"o", Type::Object({{"n", TypeKind::kInt}})},
                                                 {"l", Type::List(TypeKind::kBytes)},
                                                 {"d", TypeKind::kDyn}},
                                      .strict_types = (data[0] & 1) != 0,
                                      .strict = (data[0] & 2) != 0,
                                      .positions = (data[0] & 4) != 0,
                                      .step = 1 + (data[0] >> 3) * 7u};
  const auto rows = ingest::ReadRows(options, ingest::kTeach + text);
  CEP_CHECK(!rows.empty());
  ingest::CompareParsers(text);
  return 0;
}
