#include "alerts/sink_rotating_file.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace vigil::alerts {
namespace {

namespace fs = std::filesystem;

int64_t SystemNowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string UtcStamp(int64_t ms) {
  const std::time_t seconds = ms / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc);
  return text;
}

}  // namespace

StatusOr<std::unique_ptr<RotatingFileSink>> RotatingFileSink::Open(RotatingFileOptions options) {
  if (!options.now) options.now = SystemNowMs;
  std::unique_ptr<RotatingFileSink> sink(new RotatingFileSink(std::move(options)));
  RETURN_IF_ERROR(sink->OpenFile());
  return sink;
}

RotatingFileSink::~RotatingFileSink() {
  if (fd_ >= 0 && !is_stdout()) close(fd_);
}

Status RotatingFileSink::OpenFile() {
  if (is_stdout()) {
    fd_ = STDOUT_FILENO;
    return absl::OkStatus();
  }
  fd_ = open(options_.path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  struct stat info {};
  if (fd_ < 0 || fstat(fd_, &info) != 0) {
    return absl::ErrnoToStatus(errno, "cannot open " + options_.path);
  }
  size_ = static_cast<uint64_t>(info.st_size);
  since_ms_ = 0;
  return absl::OkStatus();
}

bool RotatingFileSink::IsRotationDue() const {
  if (is_stdout() || size_ == 0) return false;
  if (options_.size_max > 0 && size_ >= options_.size_max) return true;
  return options_.age_max_ms > 0 && since_ms_ > 0 &&
         options_.now() - since_ms_ >= options_.age_max_ms;
}

std::string RotatingFileSink::AsideName() const {
  const std::string base = options_.path + "." + UtcStamp(options_.now());
  std::string name = base;
  std::error_code ignored;
  for (int n = 2; fs::exists(name, ignored); ++n) name = base + "-" + std::to_string(n);
  return name;
}

Status RotatingFileSink::Rotate() {
  if (fd_ >= 0) {
    const std::string aside = AsideName();
    if (std::rename(options_.path.c_str(), aside.c_str()) != 0) {
      return absl::ErrnoToStatus(errno, "cannot set aside " + options_.path + " as " + aside);
    }
    close(fd_);
    fd_ = -1;
  }
  RETURN_IF_ERROR(OpenFile());
  RemoveOld();
  return absl::OkStatus();
}

// Names hold the time, so their order is that of the files; a second's further ones are longer.
std::vector<std::string> RotatingFileSink::FilesAside() const {
  const fs::path path(options_.path);
  const std::string prefix = path.filename().string() + ".";
  std::error_code error;
  std::vector<std::string> aside;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    const std::string rest = name.size() > prefix.size() ? name.substr(prefix.size()) : "";
    if (name.substr(0, prefix.size()) != prefix || rest.size() < 16 || rest[8] != 'T' ||
        rest[15] != 'Z') {
      continue;
    }
    aside.push_back(entry.path().string());
  }
  std::sort(aside.begin(), aside.end(), [](const std::string& a, const std::string& b) {
    const size_t stamp = a.rfind('Z');
    const int order = a.compare(0, stamp + 1, b, 0, stamp + 1);
    return order != 0 ? order < 0 : std::make_pair(a.size(), a) < std::make_pair(b.size(), b);
  });
  return aside;
}

void RotatingFileSink::RemoveOld() const {
  if (options_.keep == 0) return;
  const std::vector<std::string> aside = FilesAside();
  std::error_code error;
  for (size_t i = 0; i + options_.keep < aside.size(); ++i) fs::remove(aside[i], error);
}

// Up to the end of the last line that is whole.
Status RotatingFileSink::CutTornLine() {
  constexpr uint64_t kStep = uint64_t{64} << 10;
  std::string bytes;
  uint64_t end = size_;
  const int fd = open(options_.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, "cannot read " + options_.path);
  while (end > 0) {
    const uint64_t begin = end - std::min(end, kStep);
    bytes.resize(end - begin);
    const ssize_t n = pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(begin));
    if (n != static_cast<ssize_t>(bytes.size())) break;
    const size_t newline = bytes.rfind('\n');
    end = newline == std::string::npos ? begin : begin + newline + 1;
    if (newline != std::string::npos) break;
  }
  close(fd);
  if (end == size_) return absl::OkStatus();
  if (ftruncate(fd_, static_cast<off_t>(end)) != 0) {
    return absl::ErrnoToStatus(errno, "cannot cut " + options_.path);
  }
  size_ = end;
  return absl::OkStatus();
}

// The lines that end in the last `bytes` of a file.
Status RotatingFileSink::NoteLines(const std::string& path, uint64_t bytes) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return absl::UnavailableError("cannot read " + path);
  const auto size = static_cast<uint64_t>(file.tellg());
  file.seekg(static_cast<std::streamoff>(size - std::min(size, bytes)));
  for (std::string line; std::getline(file, line);) repeats_.insert(HashBytes128(line));
  return absl::OkStatus();
}

Status RotatingFileSink::ExpectRepeats(uint64_t bytes) {
  repeats_.clear();
  if (is_stdout()) return absl::OkStatus();
  if (fd_ < 0) RETURN_IF_ERROR(OpenFile());
  RETURN_IF_ERROR(CutTornLine());
  if (bytes == 0) return absl::OkStatus();
  RETURN_IF_ERROR(NoteLines(options_.path, bytes));
  uint64_t seen = size_;
  const std::vector<std::string> aside = FilesAside();
  for (auto file = aside.rbegin(); file != aside.rend() && seen < bytes; ++file) {
    RETURN_IF_ERROR(NoteLines(*file, bytes - seen));
    std::error_code error;
    const uint64_t size = fs::file_size(*file, error);
    seen += error ? 0 : size;
  }
  return absl::OkStatus();
}

Status RotatingFileSink::WriteLines(const std::string& lines) {
  size_t written = 0;
  while (written < lines.size()) {
    const ssize_t n = write(fd_, lines.data() + written, lines.size() - written);
    if (n >= 0) {
      written += static_cast<size_t>(n);
      continue;
    }
    if (errno == EINTR) continue;
    const int error = errno;
    // A part of it may be there: take it back, so that the retry starts from a whole line.
    if (written > 0 && !is_stdout() && ftruncate(fd_, static_cast<off_t>(size_)) != 0) {
      return absl::ErrnoToStatus(errno, "cannot cut " + options_.path);
    }
    return absl::ErrnoToStatus(error, "cannot write to " + options_.path);
  }
  size_ += lines.size();
  return absl::OkStatus();
}

Status RotatingFileSink::Write(std::vector<Outgoing>* records, const std::atomic<bool>&) {
  if (fd_ < 0) RETURN_IF_ERROR(OpenFile());
  auto record = records->begin();
  while (record != records->end()) {
    if (IsRotationDue()) RETURN_IF_ERROR(Rotate());
    // As many lines as the file may still take.
    std::string lines;
    const auto first = record;
    for (; record != records->end(); ++record) {
      if (record->is_delivered) continue;
      if (!repeats_.empty() && repeats_.erase(HashBytes128(record->line)) > 0) {
        record->is_delivered = true;
        continue;
      }
      if (options_.size_max > 0 && !lines.empty() && size_ + lines.size() >= options_.size_max) {
        break;
      }
      lines.append(record->line).push_back('\n');
    }
    if (lines.empty()) continue;
    RETURN_IF_ERROR(WriteLines(lines));
    if (since_ms_ == 0) since_ms_ = options_.now();
    for (auto done = first; done != record; ++done) done->is_delivered = true;
  }
  return absl::OkStatus();
}

Status RotatingFileSink::Idle() { return IsRotationDue() ? Rotate() : absl::OkStatus(); }

}  // namespace vigil::alerts
