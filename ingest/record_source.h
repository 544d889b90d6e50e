// What the live sources of records have in common: they decode by a codec that a swap of rules
// exchanges, and they say what is worth a log line.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cep/runtime/live_source.h"
#include "ingest/codec.h"
#include "ingest/codec_timed.h"

namespace vigil::ingest {

// What decodes a source's records.
struct SourceCodec {
  // Made by the caller for the source's formats. A record that must wait for a schema keeps its
  // partition waiting, no other.
  std::unique_ptr<Codec> codec;
  // Of it, and of the codecs that are made for CSV streams, which bring their headers with them.
  CodecOptions options;
  // Of events whose time is an expression; null: it is what `options` says.
  std::shared_ptr<const cep::Expression> time;

  // Such a codec, with the time where it is an expression.
  std::unique_ptr<Codec> Timed(std::unique_ptr<Codec> made) const {
    if (time == nullptr) return made;
    return std::make_unique<TimedCodec>(std::move(made), time);
  }
};

// Thread safety: as LiveSource.
class RecordSource : public cep::LiveSource {
 public:
  // What is read from now on is decoded by another codec, for another layout. What the former ones
  // decoded must have been applied, or be decoded again, before they, which are returned, go.
  virtual std::vector<std::unique_ptr<Codec>> SetCodec(SourceCodec codec) = 0;
};

// Receives what is worth a log line. Called by the sources' threads; must be thread safe.
class RecordSourceLog {
 public:
  virtual ~RecordSourceLog() = default;
  // syslog's levels: 3 error, 4 warning, 6 information.
  //   partition   the place of the partition that it is about; empty: of none
  virtual void Write(int level, std::string_view source, std::string_view partition,
                     const std::string& text) = 0;
};

}  // namespace vigil::ingest
