#include "io/plain_file.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <absl/strings/str_cat.h>

namespace vigil::io {
namespace {

class DescriptorSource : public ByteSource {
 public:
  DescriptorSource(int fd, bool owned, std::string name)
      : fd_(fd), owned_(owned), name_(std::move(name)) {}
  ~DescriptorSource() override {
    if (owned_) ::close(fd_);
  }
  DescriptorSource(const DescriptorSource&) = delete;
  DescriptorSource& operator=(const DescriptorSource&) = delete;

  StatusOr<size_t> Read(char* buffer, size_t size) override {
    while (true) {
      const ssize_t n = ::read(fd_, buffer, size);
      if (n >= 0) return static_cast<size_t>(n);
      if (errno != EINTR) return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", name_));
    }
  }

  const std::string& name() const override { return name_; }

 private:
  const int fd_;
  const bool owned_;
  const std::string name_;
};

}  // namespace

StatusOr<std::unique_ptr<ByteSource>> OpenPlainFile(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  auto source = std::make_unique<DescriptorSource>(fd, /*owned=*/true, path);
  struct stat info;
  if (::fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
    return absl::ErrnoToStatus(EISDIR, absl::StrCat("cannot read ", path));
  }
  // Only advice: the kernel reads further ahead.
  (void)::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  return source;
}

std::unique_ptr<ByteSource> StandardInput() {
  return std::make_unique<DescriptorSource>(STDIN_FILENO, /*owned=*/false, "standard input");
}

}  // namespace vigil::io
