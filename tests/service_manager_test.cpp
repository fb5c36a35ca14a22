// SPDX-License-Identifier: MIT
#include "launcher/base/service_manager.h"

#include "tests/temp_tree.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <array>
#include <cstring>
#include <thread>

using hv::ServiceManager;

namespace {

/// What systemd's end of the protocol does: takes datagrams in, closes what
/// comes with BARRIER=1, and keeps the rest.
class FakeManager {
 public:
  explicit FakeManager(const std::string& path, bool abstract = false) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, path.size());
    if (abstract) address.sun_path[0] = '\0';
    REQUIRE_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address),
                      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size())),
               0);
    thread_ = std::jthread([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) take_one();
    });
  }
  ~FakeManager() {
    thread_.request_stop();
    ::shutdown(socket_.get(), SHUT_RDWR);
  }
  FakeManager(const FakeManager&) = delete;
  FakeManager& operator=(const FakeManager&) = delete;

  std::vector<std::string> said;
  std::vector<hv::UniqueFd> kept;

 private:
  void take_one() {
    std::array<char, 512> text{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    iovec data{.iov_base = text.data(), .iov_len = text.size()};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const auto count = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
    if (count <= 0) return;
    said.emplace_back(text.data(), static_cast<std::size_t>(count));
    const auto* const header = CMSG_FIRSTHDR(&message);
    if (header == nullptr) return;
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    hv::UniqueFd given(fd);
    if (said.back() != "BARRIER=1") kept.push_back(std::move(given));
  }

  hv::UniqueFd socket_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  std::jthread thread_;
};

}  // namespace

TEST_CASE("the service manager has taken in what it was given when store() returns") {
  const TempTree tree;
  FakeManager fake(tree.path("/notify"));
  const ServiceManager manager(tree.path("/notify"));
  CHECK(manager.is_there());
  const hv::UniqueFd file(::open(tree.write("/file", "x").c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE(manager.store("lock", file.get()).has_value());
  REQUIRE_EQ(fake.kept.size(), 1);
  struct stat ours {};
  struct stat theirs {};
  REQUIRE_EQ(::fstat(file.get(), &ours), 0);
  REQUIRE_EQ(::fstat(fake.kept.front().get(), &theirs), 0);
  CHECK_EQ(ours.st_ino, theirs.st_ino);
  manager.ask_for(std::chrono::seconds(90));
  manager.show_status("waiting for\nsomething");
  REQUIRE(manager.forget("lock").has_value());
  CHECK_EQ(fake.said, std::vector<std::string>{"FDSTORE=1\nFDNAME=lock", "BARRIER=1",
                                               "EXTEND_TIMEOUT_USEC=90000000",
                                               "STATUS=waiting for\\x0asomething",
                                               "FDSTOREREMOVE=1\nFDNAME=lock", "BARRIER=1"});
}

TEST_CASE("a socket in the abstract namespace, and none at all") {
  const auto name = fmt::format("@hvlaunch-test-{}", ::getpid());
  FakeManager fake(name, true);
  REQUIRE(ServiceManager(name).forget("x").has_value());
  CHECK_EQ(fake.said.size(), 2);

  const ServiceManager nobody("");
  CHECK_FALSE(nobody.is_there());
  CHECK(nobody.store("lock", 0).has_value());
  CHECK(nobody.forget("lock").has_value());

  const TempTree tree;
  const ServiceManager gone(tree.path("/gone"));
  CHECK_EQ(gone.store("lock", 0).error().os_error, ENOENT);
}

TEST_CASE("descriptors that another process was given are not ours") {
  CHECK(hv::given_descriptors("1", "1", "lock").empty());
  CHECK(hv::given_descriptors("", "", "").empty());
  CHECK(hv::given_descriptors(std::to_string(::getpid()), "x", "lock").empty());
}

TEST_CASE("descriptors that we were given have their names and are out of the way") {
  const TempTree tree;
  const auto path = tree.write("/file", "x");
  const auto child = ::fork();  // Its numbers from 3 on are free to be used.
  if (child == 0) {
    const int file = ::fcntl(::open(path.c_str(), O_RDONLY | O_CLOEXEC), F_DUPFD, 50);
    ::dup2(file, 3);
    ::dup2(file, 4);
    const auto given = hv::given_descriptors(std::to_string(::getpid()), "2", "pools:lock");
    const bool right = given.size() == 2 && given[0].name == "pools" && given[1].name == "lock" &&
                       given[0].fd.get() >= 10 && given[1].fd.get() >= 10 &&
                       (::fcntl(given[1].fd.get(), F_GETFD) & FD_CLOEXEC) != 0 &&
                       ::fcntl(3, F_GETFD) < 0 && ::fcntl(4, F_GETFD) < 0;
    ::_exit(right ? 0 : 1);
  }
  int status = 0;
  REQUIRE_EQ(::waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
}
