#include "ingest/source_tail.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <glob.h>
#include <unistd.h>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "ingest/avro_stream.h"
#include "ingest/tail_resume.h"

namespace vigil::ingest {
namespace {

namespace fs = std::filesystem;

constexpr size_t kReadBytes = 256 << 10;
constexpr size_t kKnownBytes = 64;  // by which a file is known again
constexpr int kLookMs = 250;
constexpr size_t kMinLookMs = 5;  // a burst of changes is looked at once
// Between two looks for new files: where something has changed, and where inotify says nothing.
constexpr int64_t kMinScanMs = 100;
constexpr int64_t kScanMs = 1000;

bool IsPattern(const std::string& path) { return path.find_first_of("*?[") != std::string::npos; }

bool IsCompressed(const std::string& path) {
  return absl::EndsWith(path, ".gz") || absl::EndsWith(path, ".zst");
}

Status ErrnoStatus(const std::string& path, const char* what) {
  const std::string text = absl::StrCat(path, ": ", what, ": ", std::strerror(errno));
  return errno == ENOENT ? absl::NotFoundError(text) : absl::UnavailableError(text);
}

// The folder's own characters stand for themselves.
std::string Escaped(const std::string& folder) {
  std::string out;
  for (const char c : folder) {
    if (c == '*' || c == '?' || c == '[' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

}  // namespace

StatusOr<std::unique_ptr<TailSource>> TailSource::Create(TailSourceOptions options,
                                                         RecordSourceLog* log) {
  std::unique_ptr<TailSource> source(new TailSource(std::move(options), log));
  ASSIGN_OR_RETURN(source->watch_, io::FileWatch::Create(io::FileWatch::Changes::kAppends));
  return source;
}

TailSource::TailSource(TailSourceOptions options, RecordSourceLog* log)
    : QueuedSource(std::move(options.source), log),
      options_(std::move(options)),
      pool_(kReadBytes) {}

TailSource::~TailSource() {
  is_stopping_ = true;
  if (watch_ != nullptr) watch_->Wake();
  if (thread_.joinable()) thread_.join();
  for (Tail& tail : tails_) {
    if (tail.fd >= 0) close(tail.fd);
  }
}

void TailSource::Resume(std::vector<cep::ResumeFrom> partitions, bool accepts_loss) {
  is_resumed_ = true;
  accepts_loss_ = accepts_loss;
  resumed_ = std::move(partitions);
}

std::string TailSource::FullPath(const std::string& path) const {
  return (fs::path(options_.folder) / path).string();
}

Status TailSource::StartProducing() {
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void TailSource::OnRoom() { watch_->Wake(); }

void TailSource::Run() {
  Watch();
  Status status = Scan(true);
  if (!status.ok()) return Fail(std::move(status));
  SetStarted();
  int64_t scanned_ms = clock().SteadyMs();
  bool has_changed = true;
  while (!is_stopping_) {
    const int64_t now = clock().SteadyMs();
    const int64_t wait_ms = has_changed ? kMinScanMs : kScanMs;
    if (!options_.stop_at_end && now - scanned_ms >= wait_ms) {
      status = Scan(false);
      scanned_ms = now;
    }
    bool has_read = false;
    bool have_ended = true;
    for (Tail& tail : tails_) {
      if (is_stopping_) return;
      has_read |= Advance(&tail);
      have_ended &= tail.has_ended;
    }
    if (options_.stop_at_end && have_ended) return EndAll();
    has_changed = false;
    if (has_read) continue;
    has_changed = watch_->Wait(kLookMs) == io::FileWatch::Outcome::kChanged;
    if (!has_changed) continue;
    const auto pause = kMinLookMs + tails_.size() / 16;  // a look costs a call or two a file
    std::this_thread::sleep_for(std::chrono::milliseconds(pause));
  }
}

void TailSource::Watch() {
  std::vector<std::string> paths;
  for (const std::string& path : options_.paths) {
    // Of a pattern the folder as far as it is named; new files in others are found by looking.
    const std::string full = (fs::path(options_.folder) / path).string();
    const size_t wild = full.find_first_of("*?[");
    paths.push_back(wild == std::string::npos ? full : full.substr(0, full.rfind('/', wild) + 1));
    if (wild != std::string::npos) paths.back() += "x";
  }
  watch_->Set(paths);
}

std::vector<std::string> TailSource::Find(bool at_start, Status* status) const {
  std::vector<std::string> found;
  const fs::path folder = options_.folder;
  for (const std::string& path : options_.paths) {
    if (!IsPattern(path)) {
      std::error_code error;
      if (fs::exists(folder / path, error)) {
        found.push_back(path);
      } else if (at_start && options_.stop_at_end) {
        *status = absl::NotFoundError(absl::StrCat("source ", name(), ": there is no file ", path));
      }
      continue;
    }
    const bool is_absolute = fs::path(path).is_absolute();
    const std::string prefix = is_absolute || folder.empty() ? "" : options_.folder + "/";
    glob_t matches{};
    if (glob((Escaped(prefix) + path).c_str(), 0, nullptr, &matches) == 0) {
      for (size_t i = 0; i < matches.gl_pathc; ++i) {
        found.push_back(std::string(matches.gl_pathv[i]).substr(prefix.size()));
      }
    }
    globfree(&matches);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

// Looks for files that are not followed yet. Errors: of a bounded run, what is not there or cannot
// be read.
Status TailSource::Scan(bool at_start) {
  Status status;
  const std::vector<std::string> found = Find(at_start, &status);
  RETURN_IF_ERROR(status);
  for (const cep::ResumeFrom& resumed : resumed_) {
    if (at_start) RETURN_IF_ERROR(OpenResumed(resumed.topic, resumed));
  }
  for (const std::string& path : found) {
    const bool is_known = std::any_of(tails_.begin(), tails_.end(),
                                      [&path](const Tail& tail) { return tail.path == path; });
    if (is_known) continue;
    status = Open(path, at_start);
    if (!status.ok() && options_.stop_at_end) return status;
  }
  for (const std::string& path : options_.paths) {
    const bool is_there = IsPattern(path) || std::binary_search(found.begin(), found.end(), path);
    if (is_there || !at_start) continue;
    Say(4, path + " is not there; waiting for it");
  }
  return absl::OkStatus();
}

// The first bytes of a file, by which it is known again.
std::string TailSource::HeadOf(const std::string& path) const {
  std::string head(kKnownBytes, '\0');
  const int fd = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  const ssize_t n = fd < 0 ? 0 : pread(fd, head.data(), head.size(), 0);
  if (fd >= 0) close(fd);
  head.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return head;
}

// Whether the file is, or was, read under another name.
bool TailSource::IsRead(const FileId& id, const std::string& path) {
  for (const Tail& tail : tails_) {
    if (tail.path != path && tail.fd >= 0 && tail.id == id) return true;
  }
  const auto read =
      std::find_if(read_.begin(), read_.end(), [&id](const auto& r) { return r.first == id; });
  if (read == read_.end()) return false;
  const std::string head = HeadOf(FullPath(path));
  if (head.compare(0, read->second.size(), read->second) == 0) return true;
  read_.erase(read);  // another file that was given the same number
  return false;
}

Status TailSource::Open(const std::string& path, bool at_start) {
  const std::string full = FullPath(path);
  struct stat now {};
  if (stat(full.c_str(), &now) != 0) return ErrnoStatus(path, "stat");
  if (!S_ISREG(now.st_mode)) {
    const Status status = absl::InvalidArgumentError(path + " is no file that could be followed");
    if (at_start && !IsPattern(path)) Say(3, std::string(status.message()));
    return status;
  }
  if (IsRead({now.st_dev, now.st_ino}, path)) return absl::OkStatus();
  if (tails_.size() >= kMaxFiles) {
    const Status status = absl::ResourceExhaustedError(
        absl::StrCat("more than ", kMaxFiles, " files: ", path, " and others are not read"));
    if (!std::exchange(is_full_, true)) Say(3, std::string(status.message()));
    return status;
  }
  Tail& tail = tails_.emplace_back(options_.split, &pool_);
  tail.path = path;
  tail.place = absl::StrCat(name(), "/", path, "/0");
  const bool at_end = at_start && options_.from_end && !is_resumed_;
  const uint64_t end = IsReadOnce(path) ? UINT64_MAX : static_cast<uint64_t>(now.st_size);
  const Status status = Begin(&tail, full, at_end ? end : 0);
  if (!status.ok()) {
    if (tail.fd >= 0) close(tail.fd);
    tails_.pop_back();
    return status;
  }
  if (options_.stop_at_end) tail.stop = now.st_size;
  tail.partition = AddPartition({name(), path, 0, tail.place}, at_start, tail.position);
  Say(6, at_start ? "reads it" : "reads it, which is new", tail.place);
  return absl::OkStatus();
}

// Goes on with a path where a former run stood. Errors: FAILED_PRECONDITION where that is not there
// any more.
Status TailSource::OpenResumed(const std::string& path, const cep::ResumeFrom& resumed) {
  const std::string full = FullPath(path);
  const StatusOr<TailPlace> place = FindTail(full, options_.split, resumed, kGeneration);
  if (!place.ok() && !accepts_loss_) {
    return absl::FailedPreconditionError(absl::StrCat("source ", name(), ": ",
                                                      place.status().message(),
                                                      "; --accept-loss gives it up and goes on"));
  }
  std::error_code error;
  if (!place.ok()) {
    Say(4, absl::StrCat(place.status().message(), "; accepted as lost"));
    if (!fs::exists(full, error)) return absl::OkStatus();
  }
  Tail& tail = tails_.emplace_back(options_.split, &pool_);
  tail.path = path;
  tail.place = absl::StrCat(name(), "/", path, "/0");
  const bool is_replaced = !place.ok();
  tail.generation = resumed.from / kGeneration;
  std::string first = full;
  uint64_t position = resumed.from % kGeneration;
  if (is_replaced) {
    tail.generation = resumed.next_offset / kGeneration + 1;
    position = 0;
  } else if (!place->files.empty()) {
    first = place->files.front();
    tail.is_own = false;
    tail.before.assign(place->files.begin() + 1, place->files.end());
  }
  RETURN_IF_ERROR(Begin(&tail, first, position));
  struct stat now {};
  const bool is_own = tail.is_own && stat(full.c_str(), &now) == 0;
  if (options_.stop_at_end && is_own) tail.stop = now.st_size;
  tail.partition = AddPartition({name(), path, 0, tail.place}, true,
                                tail.generation * kGeneration + position, is_replaced);
  Say(6, absl::StrCat("goes on in ", first, " at ", position), tail.place);
  return absl::OkStatus();
}

// Opens a file for the tail, to be read from there on. Errors: what the system says.
Status TailSource::Begin(Tail* tail, const std::string& file, uint64_t position) {
  tail->position = 0;
  tail->head.clear();
  tail->last.clear();
  tail->was_at_end = true;
  tail->rotated_ms = -1;
  tail->bytes.reset();
  tail->fd = open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  struct stat now {};
  if (tail->fd < 0 || fstat(tail->fd, &now) != 0) return ErrnoStatus(file, "open");
  tail->id = {now.st_dev, now.st_ino};
  tail->splitter.Reset(tail->generation * kGeneration + position);
  if (IsReadOnce(file)) return SkipTo(tail, file, position);
  tail->position = position;
  if (position == 0) return absl::OkStatus();
  tail->splitter.ForgetLines();
  RETURN_IF_ERROR(ReadHeader(tail));
  const auto known = std::min<uint64_t>(kKnownBytes, position);
  tail->last.resize(known);
  const ssize_t n = pread(tail->fd, tail->last.data(), known, static_cast<off_t>(position - known));
  if (n < 0) return ErrnoStatus(file, "read");
  tail->last.resize(static_cast<size_t>(n));
  const bool is_within = tail->last.empty() || tail->last.back() != '\n';
  if (options_.split.framing == Framing::kLines && is_within) tail->splitter.SkipRest();
  return absl::OkStatus();
}

// Of a file that is not read from its beginning, what is needed of that.
Status TailSource::ReadHeader(Tail* tail) {
  std::string bytes(RecordSplitter::kTooLongKept, '\0');
  const ssize_t n = pread(tail->fd, bytes.data(), bytes.size(), 0);
  if (n < 0) return ErrnoStatus(tail->path, "read");
  bytes.resize(static_cast<size_t>(n));
  tail->head = bytes.substr(0, kKnownBytes);
  if (!options_.split.has_header) return absl::OkStatus();
  std::string header = bytes.substr(0, bytes.find('\n'));
  if (absl::StartsWith(header, "\xEF\xBB\xBF")) header.erase(0, 3);
  if (!header.empty() && header.back() == '\r') header.pop_back();
  tail->splitter.SetHeader(std::move(header));
  return absl::OkStatus();
}

bool TailSource::IsReadOnce(const std::string& file) const {
  return options_.split.framing == Framing::kContained || IsCompressed(file);
}

// A file that is read once is read up to the place, or its end. Errors: damaged data.
Status TailSource::SkipTo(Tail* tail, const std::string& file, uint64_t position) {
  ASSIGN_OR_RETURN(OpenedStream stream, OpenStream(file, options_.split.framing));
  tail->bytes = std::move(stream.bytes);
  std::string beginning;
  std::string scratch(kReadBytes, '\0');
  uint64_t skipped = 0;
  while (skipped < position) {
    const uint64_t want = std::min<uint64_t>(position - skipped, kReadBytes);
    ASSIGN_OR_RETURN(const size_t n, tail->bytes->Read(scratch.data(), want));
    if (n == 0) break;
    if (beginning.size() < RecordSplitter::kTooLongKept) beginning.append(scratch, 0, n);
    skipped += n;
  }
  tail->position = skipped;
  tail->splitter.Reset(tail->generation * kGeneration + skipped);
  const bool is_contained = options_.split.framing == Framing::kContained;
  if (is_contained) tail->splitter.SetHeader(std::move(stream.header));
  if (position == 0) return absl::OkStatus();
  tail->splitter.ForgetLines();
  if (!options_.split.has_header || is_contained) return absl::OkStatus();
  std::string header = beginning.substr(0, beginning.find('\n'));
  if (absl::StartsWith(header, "\xEF\xBB\xBF")) header.erase(0, 3);
  if (!header.empty() && header.back() == '\r') header.pop_back();
  tail->splitter.SetHeader(std::move(header));
  return absl::OkStatus();
}

// Reads on; false if there was nothing to read, or no room.
bool TailSource::Advance(Tail* tail) {
  if (tail->has_ended || !HasRoom(tail->partition)) return false;
  if (tail->bytes != nullptr) return ReadCompressed(tail);
  if (tail->fd < 0) return FollowRotation(tail);
  return ReadFile(tail) || FollowRotation(tail);
}

void TailSource::Note(const char* bytes, size_t size, Tail* tail) {
  if (tail->head.size() < kKnownBytes) {
    tail->head.append(bytes, std::min(size, kKnownBytes - tail->head.size()));
  }
  tail->last.append(bytes + size - std::min(size, kKnownBytes), std::min(size, kKnownBytes));
  if (tail->last.size() > kKnownBytes) tail->last.erase(0, tail->last.size() - kKnownBytes);
  tail->position += size;
}

// Whether the bytes that were read are not there any more.
bool TailSource::IsTruncated(const Tail& tail, const struct stat& now) const {
  const auto size = static_cast<uint64_t>(now.st_size);
  if (size < tail.position) return true;
  if (size == tail.position || tail.last.empty()) return false;
  char known[kKnownBytes];
  const size_t want = tail.last.size();
  const ssize_t n = pread(tail.fd, known, want, static_cast<off_t>(tail.position - want));
  return n == static_cast<ssize_t>(want) && std::memcmp(known, tail.last.data(), want) != 0;
}

bool TailSource::ReadFile(Tail* tail) {
  struct stat now {};
  if (fstat(tail->fd, &now) != 0) now.st_size = static_cast<off_t>(tail->position);
  if (tail->stop < 0 && tail->was_at_end && IsTruncated(*tail, now)) {
    Say(6, absl::StrCat("was truncated; ", tail->position, " bytes of it were read"), tail->place);
    Restart(tail);
    tail->splitter.Reset(tail->generation * kGeneration);
  }
  size_t want = kReadBytes;
  if (tail->stop >= 0) {
    want = std::min(want, static_cast<size_t>(tail->stop) - static_cast<size_t>(tail->position));
  }
  char* const to = tail->splitter.Room(kReadBytes);
  const ssize_t n = want == 0 ? 0 : pread(tail->fd, to, want, static_cast<off_t>(tail->position));
  if (n < 0) {
    SayFailing(std::strerror(errno), tail);
    return false;
  }
  tail->is_failing = false;
  tail->was_at_end = n < static_cast<ssize_t>(want);
  if (n == 0) {
    if (tail->stop >= 0) {
      End(tail);
      return true;
    }
    SetEnd(tail->partition, true, true,
           static_cast<int64_t>(tail->generation * kGeneration + tail->position));
    return false;
  }
  Note(to, static_cast<size_t>(n), tail);
  tail->splitter.Added(static_cast<size_t>(n));
  tail->rotated_ms = -1;
  SetEnd(tail->partition, false, true,
         static_cast<int64_t>(tail->generation * kGeneration) + now.st_size);
  RecordBlock block;
  if (tail->splitter.Take(&block)) Push(tail->partition, std::move(block));
  return true;
}

bool TailSource::ReadCompressed(Tail* tail) {
  const StatusOr<size_t> n = tail->bytes->Read(tail->splitter.Room(kReadBytes), kReadBytes);
  if (!n.ok()) {
    // What came before has been handed out.
    Finish(tail);
    Fail(n.status());
    tail->has_ended = true;
    return false;
  }
  if (*n == 0) {
    if (!tail->is_own) return ReadNext(tail);
    End(tail);
    return true;
  }
  tail->splitter.Added(*n);
  RecordBlock block;
  if (tail->splitter.Take(&block)) Push(tail->partition, std::move(block));
  return true;
}

// Whatever is left of the file is a record.
void TailSource::Finish(Tail* tail) {
  RecordBlock block;
  if (tail->splitter.Finish(&block)) Push(tail->partition, std::move(block));
}

void TailSource::End(Tail* tail) {
  Finish(tail);
  tail->has_ended = true;
  EndPartition(tail->partition);
}

// The file, or the next one of the path, is read from its beginning.
void TailSource::Restart(Tail* tail) {
  Finish(tail);
  ++tail->generation;
  tail->position = 0;
  tail->head.clear();
  tail->last.clear();
}

// Another file may have the path by now. Goes over to it once the former one has fallen silent;
// true if so.
bool TailSource::FollowRotation(Tail* tail) {
  if (tail->stop >= 0) return false;
  if (tail->fd >= 0 && !tail->before.empty()) return ReadNext(tail);
  struct stat now {};
  if (stat(FullPath(tail->path).c_str(), &now) != 0 || !S_ISREG(now.st_mode)) return false;
  const FileId id{now.st_dev, now.st_ino};
  if (tail->fd >= 0 && id == tail->id) {
    tail->rotated_ms = -1;
    return false;
  }
  if (tail->fd >= 0) {
    const int64_t now_ms = clock().SteadyMs();
    if (tail->rotated_ms < 0) tail->rotated_ms = now_ms;
    SetEnd(tail->partition, false, true, -1);
    if (now_ms - tail->rotated_ms < kRotateMs) return false;
    if (IsRead(id, tail->path)) {
      SetEnd(tail->partition, true, true, -1);
      return false;
    }
  }
  return ReadNext(tail);
}

// The open file, if there is one, has been read to its end: goes over to the next one, the path's
// own in the end. False if that cannot be opened yet.
bool TailSource::ReadNext(Tail* tail) {
  if (tail->fd >= 0) {
    if (!tail->head.empty()) read_.emplace_back(tail->id, tail->head);
    if (read_.size() > kMaxFiles) read_.pop_front();
    close(std::exchange(tail->fd, -1));
    tail->bytes.reset();
    Restart(tail);
    Say(6, "was rotated", tail->place);
  }
  std::string file = FullPath(tail->path);
  tail->is_own = tail->before.empty();
  if (!tail->is_own) {
    file = tail->before.front();
    tail->before.pop_front();
  }
  const Status status = Begin(tail, file, 0);
  struct stat now {};
  if (status.ok() && options_.stop_at_end && tail->is_own && fstat(tail->fd, &now) == 0) {
    tail->stop = now.st_size;
  }
  if (status.ok()) return true;
  if (tail->fd >= 0) close(std::exchange(tail->fd, -1));
  SayFailing(std::string(status.message()), tail);
  return false;
}

void TailSource::SayFailing(const std::string& what, Tail* tail) {
  SetEnd(tail->partition, false, false, -1);
  if (!std::exchange(tail->is_failing, true)) {
    Say(4, absl::StrCat("cannot be read, trying again: ", what), tail->place);
  }
}

}  // namespace vigil::ingest
