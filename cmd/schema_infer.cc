#include "cmd/schema_infer.h"

#include <memory>
#include <utility>

#include "cmd/exit_codes.h"
#include "ingest/infer.h"
#include "io/open_input.h"
#include "rules/schema_file.h"

namespace vigil::cmd {
namespace {

Status Infer(const std::string& path, ingest::SchemaInference* inference) {
  ASSIGN_OR_RETURN(std::unique_ptr<io::ByteSource> bytes, io::OpenInput(path));
  return inference->AddInput(path, std::move(bytes), /*max_records=*/0);
}

}  // namespace

int RunSchemaInfer(const std::string& path, std::ostream& out, std::ostream& err) {
  ingest::SchemaInference inference;
  const Status status = Infer(path, &inference);
  if (!status.ok()) {
    err << "error: " << status.message() << '\n';
    return absl::IsInvalidArgument(status) ? kExitUsage : kExitIo;
  }
  if (inference.invalid() > 0) {
    err << "warning: " << inference.invalid() << " of " << inference.records()
        << " records are not valid and were passed over\n";
  }
  out << rules::WriteSchema(inference.Finish());
  if (out.flush()) return kExitOk;
  err << "error: cannot write the schema\n";
  return kExitIo;
}

}  // namespace vigil::cmd
