// SPDX-License-Identifier: MIT
#include "launcher/run/group_sockets.h"

#include "launcher/run/monitor.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>

#include <array>

namespace hv::run {
namespace {

struct Admitted {
  const char* group;
  const char* directory;
  qmp::Rights rights;
};
constexpr std::array admitted = {Admitted{"hvlaunch", "control", qmp::Rights::all},
                                 Admitted{"hvlaunch-read", "query", qmp::Rights::ask}};

std::optional<gid_t> id_of(const char* group) {
  struct group found {};
  struct group* result = nullptr;
  std::array<char, 16384> buffer{};  // A group with a thousand members.
  if (::getgrnam_r(group, &found, buffer.data(), buffer.size(), &result) != 0 || result == nullptr)
    return std::nullopt;
  return found.gr_gid;
}

/// Sockets that are made in it get its group.
Result<> make_for(const Root& root, const std::string& path, gid_t group) {
  TRY(root.make_directories(path, 0700));
  const auto fd = TRY(root.open_file(path, O_RDONLY | O_DIRECTORY, 0, Links::refuse));
  if (::fchown(fd.get(), 0, group) < 0 || ::fchmod(fd.get(), S_ISGID | 0710) < 0)
    return fail_errno("give {} to group {}", path, group);
  return {};
}

/// To pass through, not to look at: all that is in it has modes of its own.
Result<> open_way(const Root& root, const std::string& path) {
  const auto fd = TRY(root.open_file(path, O_RDONLY | O_DIRECTORY, 0, Links::refuse));
  if (::fchmod(fd.get(), 0711) < 0) return fail_errno("set the mode of {}", path);
  return {};
}

}  // namespace

Result<> admit_groups(const Place& place) {
  if (!place.paths.system) return {};
  bool any = false;
  for (const auto& [group, directory, rights] : admitted) {
    const auto id = id_of(group);
    if (!id) continue;
    TRY(make_for(place.root, place.file(directory), *id));
    any = true;
  }
  if (!any) return {};
  TRY(open_way(place.root, place.directory()));
  return open_way(place.root, place.paths.runtime);
}

GroupSockets::GroupSockets(boost::asio::io_context& context, const Place& place) {
  // Sooner than qmp.sock would drop us all for one that does not read.
  constexpr std::chrono::milliseconds patience{250};
  for (const auto& [group, directory, rights] : admitted) {
    if (!place.root.exists(place.file(directory))) continue;
    auto served =
        qmp::Multiplexer::start(context,
                                {.upstream = place.file("qmp.sock"),
                                 .listen = fmt::format("{}/qmp.sock", place.file(directory)),
                                 .mode = 0660,
                                 .rights = rights,
                                 .timeout = start_patience,
                                 .patience = patience},
                                {});
    if (served) served_.push_back(*std::move(served));  // Without it root's own is still there.
  }
}

}  // namespace hv::run
