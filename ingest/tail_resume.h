// Where the files are now that a former run followed: they may have been rotated since.
//
// Tests: tests/ingest/source_tail_test.cc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cep/base/hash.h"
#include "cep/base/status.h"
#include "cep/runtime/live_source.h"
#include "ingest/record_splitter.h"

namespace vigil::ingest {

// Of a record's bytes.
inline Hash128 FingerprintOf(std::string_view record) { return HashBytes128(record); }

// Files that held what a path held in turn, oldest first, from the one that holds R on; the path
// itself is left out where it is the last one and none of those before it is needed.
struct TailPlace {
  std::vector<std::string> files;  // empty: the path's own file holds R
};

// Looks for the last record that was read, by its place and its bytes, in the file at `path` and in
// those beside it whose names begin with its name (`app.log.1`, `app.log-20260131.gz`), which are
// taken in the order in which they were last written.
//   generation_bytes   offsets are divided by it: the file's number, and the place in it
// FAILED_PRECONDITION, naming the path, where the file is not there any more.
StatusOr<TailPlace> FindTail(const std::string& path, const SplitOptions& split,
                             const cep::ResumeFrom& resumed, uint64_t generation_bytes);

}  // namespace vigil::ingest
