// SPDX-License-Identifier: MIT
#include "launcher/run/guest_notice.h"

#include "launcher/base/text.h"

#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <array>

namespace hv::run {
namespace {

/// A guest is not trusted with more of our memory.
constexpr std::size_t longest_message = 4096;
constexpr std::size_t most_connections = 4;

using Descriptor = boost::asio::posix::stream_descriptor;

std::string file_of(const Place& place) {
  return place.file("notice");
}

/// The value of the last line with that name.
std::string_view value_of(std::string_view notice, std::string_view name) {
  std::string_view value;
  for (const auto line : split(notice, '\n'))
    if (line.starts_with(name) && line.substr(name.size()).starts_with('='))
      value = line.substr(name.size() + 1);
  return value;
}

/// A listening socket of vsock, for any guest: who comes is known by its address.
Result<UniqueFd> listen_on(std::uint32_t port) {
  UniqueFd fd(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("make a vsock socket");
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = VMADDR_CID_ANY;
  address.svm_port = port;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ||
      ::listen(fd.get(), 4) < 0)
    return fail_errno("listen on vsock port {}", port);
  return fd;
}

}  // namespace

class NoticeListener::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(boost::asio::io_context& context, const Place& place, std::uint64_t cid)
      : context_(context), place_(place), cid_(cid), acceptor_(context) {}

  Result<> start(UniqueFd listening) {
    boost::system::error_code error;
    (void)acceptor_.assign(listening.get(), error);
    if (error) return std::unexpected(errno_error(error.value(), "watch a vsock socket"));
    (void)listening.release();  // Asio owns it now.
    accept();
    return {};
  }

  void stop() { acceptor_.close(); }

 private:
  struct Connection {
    explicit Connection(boost::asio::io_context& context) : fd(context) {}
    Descriptor fd;
    std::array<char, longest_message> text{};
    std::size_t size = 0;
  };

  void accept() {
    acceptor_.async_wait(Descriptor::wait_read,
                         [weak = weak_from_this()](const boost::system::error_code& error) {
                           const auto self = weak.lock();
                           if (self == nullptr || error) return;
                           self->take();
                           self->accept();
                         });
  }

  void take() {
    sockaddr_vm peer{};
    socklen_t size = sizeof peer;
    UniqueFd fd(::accept4(acceptor_.native_handle(), reinterpret_cast<sockaddr*>(&peer), &size,
                          SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd || peer.svm_cid != cid_ || connections_ >= most_connections) return;
    auto connection = std::make_shared<Connection>(context_);
    boost::system::error_code error;
    (void)connection->fd.assign(fd.get(), error);
    if (error) return;
    (void)fd.release();
    ++connections_;
    read(std::move(connection));
  }

  /// To the end of the connection, or of what we listen to.
  void read(std::shared_ptr<Connection> connection) {
    auto& [fd, text, size] = *connection;
    const auto rest = boost::asio::buffer(text.data() + size, text.size() - size);
    fd.async_read_some(rest, [weak = weak_from_this(), connection](
                                 const boost::system::error_code& error, std::size_t count) {
      const auto self = weak.lock();
      if (self == nullptr) return;
      connection->size += count;
      if (!error && connection->size < connection->text.size()) return self->read(connection);
      --self->connections_;
      self->keep({connection->text.data(), connection->size});
    });
  }

  void keep(std::string_view came) {
    const auto before = read_notice(place_);
    const auto now = merged_notice(before, came);
    // A full /run costs the notice: the guest is then late, and goes on running.
    if (now != before) (void)place_.root.replace(file_of(place_), now);
  }

  boost::asio::io_context& context_;
  const Place& place_;
  std::uint64_t cid_;
  Descriptor acceptor_;
  std::size_t connections_ = 0;
};

Result<NoticeListener> NoticeListener::start(boost::asio::io_context& context, const Place& place,
                                             std::uint64_t cid, std::uint32_t port) {
  auto impl = std::make_shared<Impl>(context, place, cid);
  auto listening = TRY(listen_on(port));
  TRY(impl->start(std::move(listening)));
  return NoticeListener(std::move(impl));
}

NoticeListener::NoticeListener(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
NoticeListener::NoticeListener(NoticeListener&&) noexcept = default;
NoticeListener::~NoticeListener() {
  if (impl_ != nullptr) impl_->stop();
}

std::string read_notice(const Place& place) {
  return place.root.read_end(file_of(place), longest_message).value_or("");
}

bool is_ready(std::string_view notice) {
  return value_of(notice, "READY") == "1";
}

std::string status_of(std::string_view notice) {
  return printable(value_of(notice, "STATUS"));
}

std::string merged_notice(std::string_view before, std::string_view came) {
  std::string merged;
  for (const std::string_view name : {"READY", "STATUS"}) {
    const auto now = value_of(came, name);
    const auto value = now.empty() ? value_of(before, name) : now;
    if (!value.empty()) merged += fmt::format("{}={}\n", name, printable(value));
  }
  return merged;
}

}  // namespace hv::run
