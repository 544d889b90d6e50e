// Where every record of a partition went.
#pragma once

#include <cstdint>

namespace vigil::cep {

// read = processed + late + quarantined + rate_limited + waiting. A record counts once.
struct Ledger {
  uint64_t read = 0;
  uint64_t processed = 0;
  uint64_t late = 0;
  uint64_t quarantined = 0;
  uint64_t rate_limited = 0;
  uint64_t waiting = 0;  // accepted, and time has not passed them yet; 0 once a replay has ended

  void Add(const Ledger& other) {
    read += other.read;
    processed += other.processed;
    late += other.late;
    quarantined += other.quarantined;
    rate_limited += other.rate_limited;
    waiting += other.waiting;
  }
  bool IsClosed() const { return read == processed + late + quarantined + rate_limited + waiting; }
};

}  // namespace vigil::cep
