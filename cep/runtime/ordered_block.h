// Rows of one shard in event-time order, ready for operators.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cep/event/batch.h"
#include "cep/event/key.h"

namespace vigil::cep {

// A row where it was decoded; valid while the shard holds the batch.
struct RowRef {
  const Batch* batch = nullptr;
  uint32_t row = 0;
};

struct OrderedBlock : ColumnBlock {
  OrderedBlock(std::shared_ptr<const Layout> layout_in, size_t key_exprs)
      : ColumnBlock(std::move(layout_in)), refs(kBatchRows) {
    for (size_t i = 0; i < key_exprs; ++i) key_hashes.emplace_back(new uint64_t[kBatchRows]);
  }

  std::vector<RowRef> refs;
  // Per key expression, the hash of each row's key; kNoKey where there is none or another shard
  // owns it.
  std::vector<std::unique_ptr<uint64_t[]>> key_hashes;
  uint64_t first_sequence = 0;  // of row 0 in the shard's order; the others follow
};

}  // namespace vigil::cep
