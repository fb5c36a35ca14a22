// SPDX-License-Identifier: MIT
//
// A real QEMU without a machine, and with two monitors on sockets that were
// bound for it beforehand.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace qmp_test {

inline int listen_at(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) return -1;
  if (::listen(fd, 4) < 0) return -1;
  return fd;
}

/// Starts `arguments`; descriptors in `passed` keep their numbers.
inline pid_t start(const std::vector<std::string>& arguments, const std::vector<int>& passed = {}) {
  std::vector<char*> argv;
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions{};
  ::posix_spawn_file_actions_init(&actions);
  // A descriptor that is duplicated to itself stays open at exec.
  for (const int fd : passed) ::posix_spawn_file_actions_adddup2(&actions, fd, fd);
  pid_t pid = -1;
  if (::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ) != 0) pid = -1;
  ::posix_spawn_file_actions_destroy(&actions);
  return pid;
}

inline bool has_program(const std::string& name) {
  const char* const path = std::getenv("PATH");
  std::string folders = path != nullptr ? path : "";
  for (std::size_t begin = 0; begin < folders.size();) {
    const auto end = std::min(folders.find(':', begin), folders.size());
    if (::access((folders.substr(begin, end - begin) + "/" + name).c_str(), X_OK) == 0) return true;
    begin = end + 1;
  }
  return false;
}

inline constexpr const char* qemu_program = "qemu-system-x86_64";

class Qemu {
 public:
  Qemu() {
    std::string pattern = "/tmp/qmp-test-XXXXXX";
    if (::mkdtemp(pattern.data()) != nullptr) directory_ = pattern;
    const std::array fds{listen_at(monitor(0)), listen_at(monitor(1))};
    std::vector<std::string> arguments{qemu_program,      "-machine", "none",
                                       "-nodefaults",     "-display", "none",
                                       "-no-user-config", "-S"};
    for (std::size_t i = 0; i < fds.size(); ++i) {
      const auto id = "q" + std::to_string(i);
      arguments.insert(
          arguments.end(),
          {"-chardev", "socket,id=" + id + ",server=on,wait=off,fd=" + std::to_string(fds[i]),
           "-mon", "mode=control,chardev=" + id});
    }
    pid_ = start(arguments, {fds.begin(), fds.end()});
    for (const int fd : fds) ::close(fd);
  }
  Qemu(const Qemu&) = delete;
  Qemu& operator=(const Qemu&) = delete;
  ~Qemu() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);  // Our own child, not yet waited for: the number is still its.
      ::waitpid(pid_, nullptr, 0);
    }
    std::filesystem::remove_all(directory_);
  }

  [[nodiscard]] std::string monitor(int number) const {
    return directory_ + "/monitor" + std::to_string(number);
  }
  [[nodiscard]] std::string file(const char* name) const { return directory_ + "/" + name; }
  [[nodiscard]] pid_t pid() const { return pid_; }

  /// Its exit status, once it has ended.
  int wait() {
    int status = -1;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  std::string directory_;
  pid_t pid_ = -1;
};

}  // namespace qmp_test
