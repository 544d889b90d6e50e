// CSV through the codec and its renderer, whose output must be valid JSON. The first byte chooses
// options; the rest is the input, its first line the header.
#include <cstdint>
#include <string>

#include "cep/base/check.h"
#include "ingest/codec_csv.h"
#include "ingest/json_validate.h"
#include "ingest/line_reader.h"
#include "tests/ingest/support.h"

namespace vigil::ingest {
namespace {

void RenderAll(const std::string& text) {
  LineReader lines(std::make_unique<TextSource>(text));
  Line line;
  if (!lines.Next(&line)) return;
  const auto header = ParseCsvHeader(line.text);
  if (!header.ok()) return;
  const CsvRenderer renderer(*header, nullptr);
  while (lines.Next(&line)) {
    std::string out;
    std::string why;
    JsonError error;
    if (renderer.AppendJson(line.text, &out, &why)) CEP_CHECK(ValidateJsonObject(out, &error));
  }
}

}  // namespace
}  // namespace vigil::ingest

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vigil;  // NOLINT(google-build-using-namespace)
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  using cep::TypeKind;
  ingest::ReadRows({.path = "x.csv",
                    .fields = {{"a", TypeKind::kString},
                               {"b", TypeKind::kDouble},
                               {"t", TypeKind::kTimestamp},
                               {"l", cep::Type::List(TypeKind::kInt)},
                               {"d", TypeKind::kDyn}},
                    .strict_types = (data[0] & 1) != 0,
                    .positions = (data[0] & 4) != 0,
                    .step = 1 + (data[0] >> 3) * 7u},
                   text);
  ingest::RenderAll(text);
  return 0;
}
