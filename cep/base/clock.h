// The clocks that a live job reads; handed in, so that tests decide what time it is.
#pragma once

#include <chrono>
#include <cstdint>

namespace vigil {

// Thread safety: all clocks may be read by any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  // Milliseconds that never go back, from an unknown start: for durations.
  virtual int64_t SteadyMs() const = 0;
  // The same in microseconds.
  virtual int64_t SteadyUs() const { return SteadyMs() * 1000; }
  // Milliseconds since the Unix epoch; may jump.
  virtual int64_t WallMs() const = 0;
};

class SystemClock : public Clock {
 public:
  int64_t SteadyMs() const override {
    return MsOf(std::chrono::steady_clock::now().time_since_epoch());
  }
  int64_t SteadyUs() const override {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
  int64_t WallMs() const override {
    return MsOf(std::chrono::system_clock::now().time_since_epoch());
  }

 private:
  template <typename D>
  static int64_t MsOf(D duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  }
};

}  // namespace vigil
