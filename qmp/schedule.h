// SPDX-License-Identifier: MIT
//
// Internal: what of all clients' commands QEMU is given when. At most eight
// in-band commands are out at a time: at more, QEMU stops reading, and could
// not see an out-of-band command behind them.
#pragma once

#include "qmp/wire.h"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace qmp {

struct Command {
  std::uint64_t id = 0;
  std::uint64_t client = 0;
  std::string line;
  bool in_band = true;
  bool takes_fds = false;  ///< getfd and add-fd, which consume what was passed.
  std::vector<wire::Fd> fds{};
};

class Schedule {
 public:
  void add(Command command);
  /// The next command to send, if one may be sent now.
  [[nodiscard]] std::optional<Command> next();
  /// Which client's command this id is a reply to; it is out no more.
  [[nodiscard]] std::optional<std::uint64_t> finish(std::uint64_t id);
  /// The in-band command that QEMU will answer first.
  [[nodiscard]] std::optional<std::uint64_t> oldest() const;
  /// Forgets what has not been sent.
  void drop_client(std::uint64_t client);

 private:
  struct Sent {
    std::uint64_t client = 0;
    bool in_band = true;
    bool takes_fds = false;
  };
  struct Lane {
    std::deque<Command> waiting{};
    std::size_t out = 0;
  };
  [[nodiscard]] std::optional<Command> next_of(Lane& lane);
  [[nodiscard]] Lane& lane_of(bool in_band) { return in_band ? in_band_ : out_of_band_; }

  Lane in_band_;
  Lane out_of_band_;
  std::map<std::uint64_t, Sent> sent_;
  bool fds_out_ = false;
};

}  // namespace qmp
