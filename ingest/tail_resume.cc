#include "ingest/tail_resume.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>

#include <absl/strings/str_cat.h>

#include "ingest/avro_stream.h"
#include "ingest/chunk_pool.h"

namespace vigil::ingest {
namespace {

namespace fs = std::filesystem;

constexpr size_t kReadBytes = 256 << 10;

// Whether the file's record at this place is the one that is known.
bool Holds(const std::string& path, const SplitOptions& split, uint64_t place,
           const Hash128& fingerprint) {
  const StatusOr<OpenedStream> stream = OpenStream(path, split.framing);
  if (!stream.ok()) return false;
  ChunkPool pool(kReadBytes);
  SplitOptions plain = split;
  plain.has_header = false;
  RecordSplitter splitter(plain, &pool);
  splitter.Reset(0);
  RecordBlock block;
  for (uint64_t at = 0; true;) {
    const uint64_t want = at < place ? std::min<uint64_t>(place - at, kReadBytes) : kReadBytes;
    const StatusOr<size_t> n = stream->bytes->Read(splitter.Room(kReadBytes), want);
    if (!n.ok()) return false;
    if (*n == 0) {
      if (at < place || !splitter.Finish(&block)) return false;
      break;
    }
    at += *n;
    if (at <= place) continue;  // what comes next takes its room
    splitter.Added(*n);
    if (splitter.Take(&block)) break;
  }
  const SplitRecord& record = block.records[0];
  return record.offset == 0 &&
         FingerprintOf({block.chunk->data.get() + record.begin, record.size}) == fingerprint;
}

// The files that the path's file may have been rotated to, oldest first.
std::vector<std::string> Rotated(const fs::path& path) {
  std::vector<std::pair<fs::file_time_type, std::string>> found;
  const std::string name = path.filename().string();
  std::error_code error;
  for (fs::directory_iterator it(path.parent_path(), error), end; !error && it != end;
       it.increment(error)) {
    const std::string other = it->path().filename().string();
    std::error_code ignored;
    if (other.size() <= name.size() || other.compare(0, name.size(), name) != 0 ||
        std::string(".-_").find(other[name.size()]) == std::string::npos ||
        !it->is_regular_file(ignored)) {
      continue;
    }
    found.emplace_back(it->last_write_time(ignored), it->path().string());
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> files;
  for (auto& [time, file] : found) files.push_back(std::move(file));
  return files;
}

}  // namespace

StatusOr<TailPlace> FindTail(const std::string& path, const SplitOptions& split,
                             const cep::ResumeFrom& resumed, uint64_t generation_bytes) {
  TailPlace place;
  if (!resumed.last.is_known) return place;
  std::vector<std::string> files = Rotated(path);
  std::error_code error;
  if (fs::exists(path, error)) files.push_back(path);
  // Mostly it is the newest one.
  const auto last = std::find_if(files.rbegin(), files.rend(), [&](const std::string& file) {
    return Holds(file, split, resumed.last.offset % generation_bytes, resumed.last.fingerprint);
  });
  const uint64_t back =
      resumed.last.offset / generation_bytes -
      std::min(resumed.from / generation_bytes, resumed.last.offset / generation_bytes);
  const auto index = static_cast<uint64_t>(files.rend() - last);  // 1-based; 0: none
  if (index <= back) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, ": the file that was read up to ", resumed.next_offset % generation_bytes,
        index == 0 ? "" : ", with rows that waited,", " is not there any more"));
  }
  place.files.assign(files.begin() + static_cast<ptrdiff_t>(index - back - 1), files.end());
  if (place.files.size() == 1 && place.files[0] == path) place.files.clear();
  if (!place.files.empty() && place.files.back() == path) place.files.pop_back();
  return place;
}

}  // namespace vigil::ingest
