#include "alerts/sink_file.h"

#include <cerrno>
#include <cstddef>
#include <utility>

namespace vigil::alerts {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 18;

}  // namespace

void FileSink::Closer::operator()(std::FILE* file) const {
  if (file != stdout) std::fclose(file);
}

StatusOr<std::unique_ptr<FileSink>> FileSink::Open(const std::string& path) {
  if (path == "-") return std::unique_ptr<FileSink>(new FileSink("standard output", stdout));
  std::FILE* file = std::fopen(path.c_str(), "we");
  if (file == nullptr) return absl::ErrnoToStatus(errno, "cannot create " + path);
  return std::unique_ptr<FileSink>(new FileSink(path, file));
}

FileSink::FileSink(std::string name, std::FILE* file) : name_(std::move(name)), file_(file) {}

FileSink::~FileSink() { Flush().IgnoreError(); }

Status FileSink::Write(std::string_view lines) {
  buffer_.append(lines);
  return buffer_.size() < kBufferBytes ? absl::OkStatus() : WriteBuffer();
}

Status FileSink::Flush() {
  RETURN_IF_ERROR(WriteBuffer());
  if (std::fflush(file_.get()) != 0) return Failed(errno);
  return absl::OkStatus();
}

Status FileSink::WriteBuffer() {
  const size_t written = std::fwrite(buffer_.data(), 1, buffer_.size(), file_.get());
  const int error = errno;
  const bool is_complete = written == buffer_.size();
  buffer_.clear();
  return is_complete ? absl::OkStatus() : Failed(error);
}

Status FileSink::Failed(int error) const {
  return absl::ErrnoToStatus(error, "cannot write to " + name_);
}

}  // namespace vigil::alerts
