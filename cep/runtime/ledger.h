// Where every record of a partition went.
#pragma once

#include <cstdint>

namespace vigil::cep {

// read = processed + late + quarantined + rate_limited + waiting + lost. A record counts once.
struct Ledger {
  uint64_t read = 0;
  uint64_t processed = 0;
  uint64_t late = 0;
  uint64_t quarantined = 0;
  uint64_t rate_limited = 0;
  uint64_t waiting = 0;  // accepted, and time has not passed them yet; 0 once a replay has ended
  uint64_t lost = 0;     // gone before they could be read, or read again where they had waited

  void Add(const Ledger& other) {
    read += other.read;
    processed += other.processed;
    late += other.late;
    quarantined += other.quarantined;
    rate_limited += other.rate_limited;
    waiting += other.waiting;
    lost += other.lost;
  }
  bool IsClosed() const {
    return read == processed + late + quarantined + rate_limited + waiting + lost;
  }
};

}  // namespace vigil::cep
