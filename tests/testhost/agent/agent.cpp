// SPDX-License-Identifier: MIT
//
// Does in the test host what testhost.py asks for over a virtio-serial port.
//
//   request  VERB ID NUMBER FIRST SECOND\n, then FIRST and SECOND bytes
//     run    ID milliseconds: first are the arguments, each ended by NUL; second is stdin
//     kill   ID signal: to the process of the `run` with the number in first
//     put    ID mode: first is a path, second its new text
//     get    ID: first is a path
//     survey ID: first are patterns, see survey.h
//   reply    ID STATUS OUT ERR\n, then OUT bytes of stdout and ERR of stderr
//     STATUS is an exit status, `signal-N`, `timeout`, `ok`, or `errno-N`
//
// Requests are served as they come; a `run` is answered when its process ends,
// others may run meanwhile. It ends with its first process: what that one left
// behind may go on, so its output is a file rather than a pipe.
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "survey.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Request {
  std::string verb{}, id{};
  long number = 0;
  std::string first{}, second{};
};

struct Child {
  std::string id;
  pid_t pid;
  int pidfd, out, err;
  Clock::time_point deadline;
  bool timed_out = false;
};

// A test's host is thrown away after it: what fails here is best seen on its console.
[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(1);
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno != EINTR) give_up("write");
    if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

void read_exactly(int fd, char* into, std::size_t size) {
  while (size > 0) {
    const auto count = ::read(fd, into, size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) give_up("the port");
    into += count;
    size -= static_cast<std::size_t>(count);
  }
}

Request read_request(int port) {
  std::string line;
  for (char c = 0; read_exactly(port, &c, 1), c != '\n';) line.push_back(c);
  char verb[16] = "", id[32] = "";
  Request request;
  unsigned long first = 0, second = 0;
  if (std::sscanf(line.c_str(), "%15s %31s %ld %lu %lu", verb, id, &request.number, &first,
                  &second) != 5)
    give_up("a request");
  request.verb = verb;
  request.id = id;
  request.first.resize(first);
  request.second.resize(second);
  read_exactly(port, request.first.data(), first);
  read_exactly(port, request.second.data(), second);
  return request;
}

void reply(int port, const std::string& id, const std::string& status, std::string_view out = {},
           std::string_view err = {}) {
  auto text = id + " " + status + " " + std::to_string(out.size()) + " " +
              std::to_string(err.size()) + "\n";
  write_all(port, text.append(out).append(err));
}

std::string errno_status() {
  return "errno-" + std::to_string(errno);
}

int memory_file(std::string_view text = {}) {
  const int fd = ::memfd_create("testhost", MFD_CLOEXEC);
  if (fd < 0) give_up("memfd_create");
  write_all(fd, text);
  ::lseek(fd, 0, SEEK_SET);
  return fd;
}

std::string take_text(int fd) {
  std::string text(static_cast<std::size_t>(std::max<off_t>(::lseek(fd, 0, SEEK_END), 0)), '\0');
  ::lseek(fd, 0, SEEK_SET);
  read_exactly(fd, text.data(), text.size());
  ::close(fd);
  return text;
}

[[noreturn]] void become(std::vector<char*>& words, int in, int out, int err) {
  ::setsid();
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(err, 2);
  ::execvp(words[0], words.data());
  std::perror(words[0]);
  ::_exit(127);
}

Child begin(Request& request) {
  std::vector<char*> words;
  for (std::size_t at = 0; at < request.first.size(); at = request.first.find('\0', at) + 1)
    words.push_back(&request.first[at]);
  words.push_back(nullptr);
  const int in = memory_file(request.second);
  const int out = memory_file();
  const int err = memory_file();
  const pid_t pid = ::fork();
  if (pid < 0) give_up("fork");
  if (pid == 0) become(words, in, out, err);
  ::close(in);
  const auto pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (pidfd < 0) give_up("pidfd_open");
  return {request.id, pid, pidfd,
          out,        err, Clock::now() + std::chrono::milliseconds(request.number)};
}

void finish(int port, const Child& child) {
  int status = 0;
  ::waitpid(child.pid, &status, 0);
  ::close(child.pidfd);
  const auto word = child.timed_out       ? "timeout"
                    : WIFSIGNALED(status) ? "signal-" + std::to_string(WTERMSIG(status))
                                          : std::to_string(WEXITSTATUS(status));
  const auto out = take_text(child.out);
  reply(port, child.id, word, out, take_text(child.err));
}

std::string put(const Request& request) {
  const int fd = ::open(request.first.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return errno_status();
  // In one write(2), as sysfs needs; which also may refuse the value.
  std::string status = "ok";
  if (::write(fd, request.second.data(), request.second.size()) !=
      static_cast<ssize_t>(request.second.size()))
    status = errno_status();
  if (request.number != 0) ::fchmod(fd, static_cast<mode_t>(request.number));
  ::close(fd);
  return status;
}

void get(int port, const Request& request) {
  const int fd = ::open(request.first.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return reply(port, request.id, errno_status());
  std::string text;
  char chunk[65536];
  ssize_t count = 0;
  while ((count = ::read(fd, chunk, sizeof chunk)) > 0)
    text.append(chunk, static_cast<std::size_t>(count));
  const auto status = count < 0 ? errno_status() : "ok";
  ::close(fd);
  reply(port, request.id, status, text);
}

void serve(int port, std::vector<Child>& children) {
  auto request = read_request(port);
  if (request.verb == "run") {
    children.push_back(begin(request));
  } else if (request.verb == "kill") {
    for (const auto& child : children)
      if (child.id == request.first) ::kill(child.pid, static_cast<int>(request.number));
    reply(port, request.id, "ok");
  } else if (request.verb == "put") {
    reply(port, request.id, put(request));
  } else if (request.verb == "get") {
    get(port, request);
  } else if (request.verb == "survey") {
    reply(port, request.id, "ok", survey(request.first));
  } else {
    reply(port, request.id, "errno-22");
  }
}

/// Milliseconds until the next deadline, -1 without one.
int patience(const std::vector<Child>& children) {
  auto next = Clock::time_point::max();
  for (const auto& child : children)
    if (!child.timed_out) next = std::min(next, child.deadline);
  if (next == Clock::time_point::max()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
  return static_cast<int>(std::max<std::chrono::milliseconds::rep>(left.count(), 0));
}

void kill_late(std::vector<Child>& children) {
  for (auto& child : children) {
    if (child.timed_out || Clock::now() < child.deadline) continue;
    child.timed_out = true;
    ::kill(-child.pid, SIGKILL);
  }
}

/// The link is udev's to make, some time after this has been started.
int open_port() {
  constexpr auto path = "/dev/virtio-ports/testhost";
  const int watch = ::inotify_init1(IN_CLOEXEC);
  for (;;) {
    ::inotify_add_watch(watch, "/dev", IN_CREATE);
    ::inotify_add_watch(watch, "/dev/virtio-ports", IN_CREATE | IN_MOVED_TO);
    // After the watches: what is made from now on is seen.
    const int fd = ::open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
      ::close(watch);
      return fd;
    }
    std::array<char, 4096> events;
    if (::read(watch, events.data(), events.size()) < 0 && errno != EINTR)
      give_up("wait for the port");
  }
}

}  // namespace

int main() {
  ::setenv("HOME", "/root", 1);
  ::setenv("LC_ALL", "C.UTF-8", 1);
  (void)::chdir("/root");
  const int port = open_port();
  std::vector<Child> children;
  for (;;) {
    std::vector<pollfd> fds{{port, POLLIN, 0}};
    for (const auto& child : children) fds.push_back({child.pidfd, POLLIN, 0});
    if (::poll(fds.data(), fds.size(), patience(children)) < 0 && errno != EINTR) give_up("poll");
    // Backwards, so that a finished one can be taken out.
    for (std::size_t i = children.size(); i-- > 0;) {
      if (fds[i + 1].revents == 0) continue;
      finish(port, children[i]);
      children.erase(children.begin() + static_cast<std::ptrdiff_t>(i));
    }
    kill_late(children);
    if ((fds[0].revents & POLLIN) != 0) serve(port, children);
  }
}
