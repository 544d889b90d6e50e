#include "cmd/record.h"

#include <iostream>

#include "alerts/sink_file.h"
#include "cmd/exit_codes.h"
#include "cmd/loading.h"
#include "daemon/log.h"
#include "daemon/signals.h"

namespace vigil::cmd {
namespace {

int Fail(int code, const Status& status) {
  std::cerr << "error: " << status.message() << "\n";
  return code;
}

}  // namespace

int RunRecord(const RecordOptions& options) {
  daemon::Log log(daemon::LogFormat::kText, spdlog::level::warn);
  daemon::Signals signals(&log);
  std::optional<daemon::Config> config = LoadConfigOrReport(options.config_file, std::cerr);
  if (!config) return kExitUsage;
  StatusOr<std::unique_ptr<alerts::FileSink>> sink = alerts::FileSink::Open(options.output);
  if (!sink.ok()) return Fail(kExitIo, sink.status());
  daemon::SourceLog source_log(&log);
  StatusOr<std::unique_ptr<daemon::Recorder>> recorder =
      daemon::Recorder::Create(*std::move(config), options.recorder, &source_log, sink->get());
  if (!recorder.ok()) return Fail(kExitUsage, recorder.status());
  signals.OnStop([&recorder] { (*recorder)->Stop(); });
  const Status status = (*recorder)->Run();
  signals.OnStop({});
  if (!status.ok()) return Fail(kExitIo, status);
  std::cerr << (*recorder)->records() << " records\n";
  return kExitOk;
}

}  // namespace vigil::cmd
