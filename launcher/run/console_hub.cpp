// SPDX-License-Identifier: MIT
#include "launcher/run/console_hub.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <vector>

namespace hv::run {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Protocol = asio::local::stream_protocol;

/// What may wait for one peer, in bytes. A viewer that leaves more unread is
/// dropped; what a guest does not read beyond it is lost, as on a wire.
constexpr std::size_t longest_queue = std::size_t{1} << 20U;
static_assert(longest_queue > 2 * console_history, "a new viewer is sent the whole past");
constexpr std::size_t most_viewers = 32;

std::unexpected<Error> failed(const error_code& error, std::string doing) {
  return std::unexpected(errno_error(error.value(), std::move(doing)));
}

/// The console's past in two files: the newer one is begun afresh, and the
/// older one dropped, whenever it is full.
class History {
 public:
  explicit History(const Place& place) : place_(place) { open(); }

  void append(std::string_view text) {
    if (size_ + text.size() > console_history) {
      const auto moved =
          place_.root.rename(place_.file("console.log"), place_.file("console.log.1"));
      if (!moved && file_) (void)!::ftruncate(file_.get(), 0);
      open();
    }
    size_ += text.size();
    // A full /run costs the past, not the console.
    if (file_) (void)!::write(file_.get(), text.data(), text.size());
  }

 private:
  void open() {
    auto file = place_.root.open_file(place_.file("console.log"), O_WRONLY | O_CREAT | O_APPEND,
                                      0600, Links::refuse);
    file_ = file ? *std::move(file) : UniqueFd();
    struct stat status {};
    size_ =
        file_ && ::fstat(file_.get(), &status) == 0 ? static_cast<std::size_t>(status.st_size) : 0;
  }

  const Place& place_;
  UniqueFd file_;
  std::size_t size_ = 0;
};

/// Text on its way to one socket.
class Outbox {
 public:
  explicit Outbox(Protocol::socket& socket) : socket_(socket) {}

  /// False, and nothing sent: more would be waiting than may. `owner` keeps this
  /// alive meanwhile.
  template <class Owner>
  bool send(std::string_view text, const std::shared_ptr<Owner>& owner) {
    if (waiting_.size() + text.size() > longest_queue) return false;
    waiting_ += text;
    if (sending_.empty()) write(owner);
    return true;
  }

 private:
  template <class Owner>
  void write(const std::shared_ptr<Owner>& owner) {
    sending_ = std::exchange(waiting_, {});
    asio::async_write(socket_, asio::buffer(sending_),
                      [this, owner](const error_code& error, std::size_t) {
                        if (error) return;  // The reading side notices, and drops the socket.
                        std::string().swap(sending_);  // Gives the memory back, too.
                        if (!waiting_.empty()) write(owner);
                      });
  }

  Protocol::socket& socket_;
  std::string sending_;
  std::string waiting_;
};

struct Viewer {
  explicit Viewer(Protocol::socket connected) : socket(std::move(connected)), outbox(socket) {}
  Protocol::socket socket;
  Outbox outbox;
  std::array<char, 1024> input{};
};

}  // namespace

class ConsoleHub::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context& context, const Place& place)
      : place_(place),
        guest_(context),
        to_guest_(guest_),
        acceptor_(context),
        breather_(context),
        history_(place) {}

  Result<> start() {
    error_code error;
    if (guest_.connect(place_.file("serial.sock"), error))
      return failed(error, "connect to the guest's console");
    TRY(place_.root.remove(place_.file("console.sock")));
    const auto mask = ::umask(0177);
    (void)acceptor_.open(Protocol(), error);
    if (!error) (void)acceptor_.bind(place_.file("console.sock"), error);
    if (!error) (void)acceptor_.listen(asio::socket_base::max_listen_connections, error);
    ::umask(mask);
    if (error) return failed(error, "listen on " + place_.file("console.sock"));
    read_guest();
    accept();
    return {};
  }

  void stop() {
    error_code ignored;  // Closing has nothing left to save.
    (void)guest_.close(ignored);
    (void)acceptor_.close(ignored);
    breather_.cancel();
    for (const auto& viewer : viewers_) (void)viewer->socket.close(ignored);
  }

 private:
  void read_guest() {
    guest_.async_read_some(asio::buffer(output_), [self = shared_from_this()](
                                                      const error_code& error, std::size_t count) {
      if (error) return;
      const std::string_view text(self->output_.data(), count);
      self->history_.append(text);
      std::erase_if(self->viewers_, [&](const std::shared_ptr<Viewer>& viewer) {
        if (viewer->outbox.send(text, viewer)) return false;
        error_code ignored;
        (void)viewer->socket.close(ignored);
        return true;
      });
      self->read_guest();
    });
  }

  void accept() {
    acceptor_.async_accept(
        [self = shared_from_this()](const error_code& error, Protocol::socket socket) {
          if (error == asio::error::operation_aborted) return;
          if (error) return self->accept_later();
          if (self->viewers_.size() < most_viewers) self->welcome(std::move(socket));
          self->accept();
        });
  }

  /// Out of descriptors: the next viewer waits, the others go on.
  void accept_later() {
    breather_.expires_after(std::chrono::seconds(1));
    breather_.async_wait([self = shared_from_this()](const error_code& error) {
      if (!error) self->accept();
    });
  }

  void welcome(Protocol::socket socket) {
    auto viewer = std::make_shared<Viewer>(std::move(socket));
    viewers_.push_back(viewer);
    (void)viewer->outbox.send(console_past(place_), viewer);  // Shorter than the limit.
    read_viewer(viewer);
  }

  void read_viewer(const std::shared_ptr<Viewer>& viewer) {
    viewer->socket.async_read_some(
        asio::buffer(viewer->input),
        [self = shared_from_this(), viewer](const error_code& error, std::size_t count) {
          if (!error)  // What does not fit is lost.
            (void)self->to_guest_.send({viewer->input.data(), count}, self);
          if (!error) return self->read_viewer(viewer);
          std::erase(self->viewers_, viewer);
        });
  }

  const Place& place_;
  Protocol::socket guest_;
  Outbox to_guest_;
  Protocol::acceptor acceptor_;
  asio::steady_timer breather_;
  History history_;
  std::array<char, 4096> output_{};
  std::vector<std::shared_ptr<Viewer>> viewers_;
};

Result<ConsoleHub> ConsoleHub::start(asio::io_context& context, const Place& place) {
  auto impl = std::make_shared<Impl>(context, place);
  TRY(impl->start());
  return ConsoleHub(std::move(impl));
}

ConsoleHub::ConsoleHub(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
ConsoleHub::ConsoleHub(ConsoleHub&&) noexcept = default;
ConsoleHub::~ConsoleHub() {
  if (impl_) impl_->stop();
}

std::string console_past(const Place& place) {
  return place.root.read_raw(place.file("console.log.1")).value_or("") +
         place.root.read_raw(place.file("console.log")).value_or("");
}

}  // namespace hv::run
