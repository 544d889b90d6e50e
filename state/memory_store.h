// A store in memory: for tests, and for jobs that are to keep nothing.
//
// Thread safety: as Store.
#pragma once

#include <memory>

#include "state/store.h"

namespace vigil::state {

// Several stores can be opened on one MemoryDisk, one after the other: a restart in a test.
class MemoryDisk;
std::shared_ptr<MemoryDisk> NewMemoryDisk();
std::unique_ptr<Store> OpenMemoryStore(std::shared_ptr<MemoryDisk> disk);

}  // namespace vigil::state
