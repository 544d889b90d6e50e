// Where a thread's time goes.
#include "cep/runtime/time_use.h"

#include <catch2/catch.hpp>

namespace vigil::cep {
namespace {

class ManualClock : public Clock {
 public:
  int64_t SteadyMs() const override { return us / 1000; }
  int64_t SteadyUs() const override { return us; }
  int64_t WallMs() const override { return 0; }
  int64_t us = 5'000'000;
};

TEST_CASE("TimeUse: each stretch of time counts once, for what was done in it", "[cep][unit]") {
  using Part = TimeUse::Part;
  ManualClock clock;
  TimeUse use(&clock);
  const auto spend = [&](int64_t us, Part part) {
    clock.us += us;
    use.Spent(part);
  };
  spend(10, Part::kBusy);
  spend(200, Part::kIdle);
  spend(3000, Part::kBackPressured);
  spend(7, Part::kBusy);
  CHECK(use.totals() == TimeUse::Totals{17, 200, 3000});
  clock.us += 40'000;
  use.Restart();
  spend(1, Part::kIdle);
  CHECK(use.totals() == TimeUse::Totals{17, 201, 3000});
}

}  // namespace
}  // namespace vigil::cep
