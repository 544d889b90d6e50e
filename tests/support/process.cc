#include "tests/support/process.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <signal.h>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

namespace vigil::testing {
namespace {

std::vector<char*> Pointers(const std::vector<std::string>& argv) {
  std::vector<char*> pointers;
  for (const std::string& arg : argv) pointers.push_back(const_cast<char*>(arg.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Reads what is there; returns false at the end.
bool ReadSome(int fd, std::string* to) {
  char buffer[65536];
  const ssize_t n = read(fd, buffer, sizeof buffer);
  if (n > 0) to->append(buffer, static_cast<size_t>(n));
  return n > 0;
}

// Feeds standard input and drains both outputs until they are closed.
void Pump(int in, int out, int err, const std::string& input, ProcessResult* result) {
  size_t written = 0;
  bool out_open = true;
  bool err_open = true;
  while (out_open || err_open) {
    pollfd fds[3] = {{out_open ? out : -1, POLLIN, 0},
                     {err_open ? err : -1, POLLIN, 0},
                     {in >= 0 ? in : -1, POLLOUT, 0}};
    poll(fds, 3, -1);
    if (fds[0].revents != 0) out_open = ReadSome(out, &result->out);
    if (fds[1].revents != 0) err_open = ReadSome(err, &result->err);
    if (in >= 0 && fds[2].revents != 0) {
      // Never waits: whoever reads may first have to be rid of what it has written.
      const ssize_t n = write(in, input.data() + written, input.size() - written);
      if (n > 0) written += static_cast<size_t>(n);
      const bool has_ended = n < 0 && errno != EAGAIN && errno != EINTR;
      if (has_ended || written == input.size()) {
        close(in);
        in = -1;
      }
    }
  }
  if (in >= 0) close(in);
}

}  // namespace

ProcessResult RunProcess(const std::vector<std::string>& argv, const std::string& input) {
  int in[2];
  int out[2];
  int err[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0)
    return {};
  std::vector<char*> pointers = Pointers(argv);
  const pid_t pid = fork();
  if (pid == 0) {
    signal(SIGPIPE, SIG_DFL);  // ignored below, and inherited
    dup2(in[0], 0);
    dup2(out[1], 1);
    dup2(err[1], 2);
    execvp(pointers[0], pointers.data());
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  close(err[1]);
  fcntl(in[1], F_SETFL, O_NONBLOCK);
  signal(SIGPIPE, SIG_IGN);
  ProcessResult result;
  if (input.empty()) {
    close(in[1]);
    in[1] = -1;
  }
  Pump(in[1], out[0], err[0], input, &result);
  close(out[0]);
  close(err[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

BackgroundProcess::BackgroundProcess(const std::vector<std::string>& argv,
                                     const std::string& out_path, const std::string& err_path) {
  std::vector<char*> pointers = Pointers(argv);
  const int out = open(out_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const int err = open(err_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  pid_ = fork();
  if (pid_ == 0) {
    signal(SIGPIPE, SIG_DFL);
    dup2(out, 1);
    dup2(err, 2);
    execvp(pointers[0], pointers.data());
    _exit(127);
  }
  close(out);
  close(err);
}

BackgroundProcess::~BackgroundProcess() {
  if (has_ended_) return;
  Signal(SIGKILL);
  Wait(10);
}

void BackgroundProcess::Signal(int signal) const {
  if (!has_ended_) kill(pid_, signal);
}

int BackgroundProcess::Wait(double seconds) {
  for (double waited = 0; !has_ended_ && waited <= seconds; waited += 0.02) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      has_ended_ = true;
      exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      break;
    }
    usleep(20'000);
  }
  return exit_code_;
}

std::string VigilBinary() {
  const char* binary = std::getenv("VIGIL_BINARY");
  return binary == nullptr ? "build/vigil" : binary;
}

TempDir::TempDir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "vigil-test-XXXXXX").string();
  path_ = mkdtemp(pattern.data());
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::Write(const std::string& name, const std::string& contents) const {
  const std::string path = Path(name);
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << contents;
  return path;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream contents;
  contents << file.rdbuf();
  return contents.str();
}

}  // namespace vigil::testing
