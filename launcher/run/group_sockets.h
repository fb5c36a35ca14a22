// SPDX-License-Identifier: MIT
//
// A guest's monitor for those who are not root: members of one group may do all
// with it, those of another may only ask. The kernel keeps them apart, by the
// modes of a directory for each and of the socket in it.
#pragma once

#include "launcher/run/place.h"
#include "qmp/multiplexer.h"

#include <vector>

namespace hv::run {

/// Makes the directories, for the groups that this host has. For root's guests only: a
/// user's are nobody else's. They go with the guest's other files.
[[nodiscard]] Result<> admit_groups(const Place& place);

/// Serves those who were admitted, as clients of qmp.sock. `context` must outlive it.
class GroupSockets {
 public:
  GroupSockets(boost::asio::io_context& context, const Place& place);

 private:
  std::vector<qmp::Multiplexer> served_;
};

}  // namespace hv::run
