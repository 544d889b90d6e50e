// BoundedWatermark: what is late, decided row by row.
#include "cep/time/watermark.h"

#include <catch2/catch.hpp>

namespace vigil::cep {
namespace {

TEST_CASE("BoundedWatermark: a row is late if it is not above the watermark just before it",
          "[cep][unit]") {
  struct Step {
    int64_t ts;
    bool in_time;
    int64_t watermark_after;
  };
  const Step steps[] = {{1000, true, 899}, {900, true, 899},  {899, false, 899},
                        {1100, true, 999}, {1000, true, 999}, {999, false, 999}};
  BoundedWatermark watermark(100);
  for (const Step& step : steps) {
    CHECK(watermark.Observe(step.ts) == step.in_time);
    CHECK(watermark.watermark() == step.watermark_after);
  }
}

TEST_CASE("BoundedWatermark: the ends of time do not overflow", "[cep][unit]") {
  BoundedWatermark watermark(5000);
  CHECK(watermark.Observe(kMinTime + 1));
  CHECK(watermark.watermark() == kMinTime);
  CHECK(watermark.Observe(kMaxTime));
  CHECK(watermark.watermark() == kMaxTime - 5001);
}

TEST_CASE("BoundedWatermark: a partition that joins starts where the engine stands",
          "[cep][unit]") {
  BoundedWatermark watermark(0);
  watermark.Join(500);
  CHECK_FALSE(watermark.Observe(500));
  CHECK(watermark.Observe(501));
}

}  // namespace
}  // namespace vigil::cep
