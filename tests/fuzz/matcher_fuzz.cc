// Fuzz target: bytes choose a pattern and a stream; the engine must give what the reference matcher
// gives.
#include <cstdint>
#include <cstdio>
#include <string_view>

#include "cep/base/check.h"
#include "tests/support/compare_case.h"
#include "tests/support/random_case.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using vigil::testing::Verdict;
  const vigil::testing::PatternCase made =
      vigil::testing::CaseFromBytes({reinterpret_cast<const char*>(data), size});
  const vigil::testing::Comparison comparison = vigil::testing::CompareCase(made);
  if (comparison.verdict != Verdict::kCompared || comparison.engine == comparison.reference) {
    return 0;
  }
  std::fprintf(stderr, "%s\n", made.ToString().c_str());
  for (const std::string& result : comparison.engine) {
    std::fprintf(stderr, "engine     %s\n", result.c_str());
  }
  for (const std::string& result : comparison.reference) {
    std::fprintf(stderr, "reference  %s\n", result.c_str());
  }
  CEP_CHECK(false);
  return 0;
}
