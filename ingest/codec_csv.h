// CSV records: the first line names the fields, the fields' types convert the cells.
//
// int, double   numbers as JSON writes them
// bool          true, false, also True, TRUE
// string        the text; quoted or not
// timestamp     RFC 3339 text, or a number (the time field: in the source's unit; others:
// milliseconds) duration, bytes   as JsonValueReader reads their texts list, map, object   JSON
// text dyn           what an unquoted cell looks like; a quoted one is text An empty cell without
// quotes is an absent field. Every line has as many cells as the header.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cep/base/status.h"
#include "ingest/codec.h"
#include "ingest/csv.h"
#include "ingest/csv_renderer.h"
#include "ingest/json_value.h"
#include "ingest/partition_table.h"
#include "ingest/projection.h"

namespace vigil::ingest {

// The names in a header line. INVALID_ARGUMENT if it is no CSV, or a name is empty or comes twice.
StatusOr<std::vector<std::string>> ParseCsvHeader(std::string_view line);

class CsvCodec : public Codec {
 public:
  CsvCodec(const CodecOptions& options, std::vector<std::string> header);

  size_t Decode(const RawRecord* records, size_t count, cep::Batch* batch) override;
  const cep::RecordRenderer& renderer() const override { return renderer_; }

 private:
  bool DecodeOne(RawRecord record, cep::Batch* batch);
  bool FindCells(const RawRecord& record, cep::Batch* batch);
  bool ReadPosition(RawRecord* record, cep::Batch* batch);
  bool ReadTime(const RawRecord& record, cep::Batch* batch);
  bool WriteColumns(const RawRecord& record, cep::Batch* batch);
  bool RejectField(const RawRecord& record, int place, std::string_view what, cep::Batch* batch);
  cep::Value Convert(const CsvCell& cell, const cep::Type& type, TimeUnit unit, Arena* arena);
  cep::Value ConvertText(std::string_view text, const cep::Type& type, TimeUnit unit, Arena* arena);
  const CsvCell& CellAt(int place) const;

  const CodecOptions options_;
  const bool strict_types_;
  const Projection projection_;
  const CsvRenderer renderer_;
  std::vector<int>
      columns_;  // of the file, one per name of the projection; -1: the file has no such column
  std::vector<CsvCell> cells_;
  JsonValueReader reader_;
  PartitionTable partitions_;
};

}  // namespace vigil::ingest
