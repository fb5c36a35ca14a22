// SPDX-License-Identifier: MIT
//
// A program that holds a VM's lock as QEMU does: as descriptor 3, over exec.
#pragma once

#include "launcher/run/lock.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <array>

class LockHolder {
 public:
  LockHolder(const hv::Root& root, const std::string& path) {
    auto lock = hv::run::try_lock(root, path);
    REQUIRE(lock.has_value());
    REQUIRE(lock->has_value());
    std::array<int, 2> input{};
    REQUIRE_EQ(::pipe2(input.data(), O_CLOEXEC), 0);
    input_ = hv::UniqueFd(input[1]);
    const hv::UniqueFd read(input[0]);
    std::array<int, 2> executed{};
    REQUIRE_EQ(::pipe2(executed.data(), O_CLOEXEC), 0);
    const hv::UniqueFd wait(executed[0]);
    hv::UniqueFd told(executed[1]);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      ::dup2(read.get(), 0);
      const int high = ::fcntl((*lock)->get(), F_DUPFD_CLOEXEC, 100);
      ::fcntl(told.get(), F_DUPFD_CLOEXEC, 101);  // Closed by exec alone.
      ::dup2(high, 3);
      ::execl("/bin/cat", "cat", nullptr);
      ::_exit(127);
    }
    told = hv::UniqueFd();
    char byte = 0;
    REQUIRE_EQ(::read(wait.get(), &byte, 1), 0);
  }
  LockHolder(const LockHolder&) = delete;
  LockHolder& operator=(const LockHolder&) = delete;
  ~LockHolder() { end(); }

  [[nodiscard]] pid_t pid() const { return pid_; }

  /// Lets it end, and takes notice.
  void end() {
    if (ended_) return;
    ended_ = true;
    ::kill(pid_, SIGCONT);
    { const auto closed = std::move(input_); }
    ::waitpid(pid_, nullptr, 0);
  }

 private:
  hv::UniqueFd input_;
  pid_t pid_ = -1;
  bool ended_ = false;
};
