// A source whose beginning can be read twice: how a schema is inferred from standard input before
// it is replayed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "io/byte_source.h"

namespace vigil::io {

// Keeps every byte that is read until Rewind(); then serves those bytes again, frees them as it
// goes past them, and continues with the rest. Memory: what was read before Rewind(), so the reader
// sets the bound.
class RewindableSource : public ByteSource {
 public:
  explicit RewindableSource(std::unique_ptr<ByteSource> source);

  StatusOr<size_t> Read(char* buffer, size_t size) override;
  const std::string& name() const override { return source_->name(); }

  // Starts again at the first byte. Nothing is kept from here on; a second call does nothing.
  void Rewind();

 private:
  std::unique_ptr<ByteSource> source_;
  std::string kept_;
  size_t served_ = 0;  // of kept_, after Rewind()
  bool recording_ = true;
};

}  // namespace vigil::io
