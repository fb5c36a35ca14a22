// SPDX-License-Identifier: MIT
#include "qmp/schedule.h"

#include <algorithm>

namespace qmp {
namespace {

constexpr std::size_t max_out = 8;

}  // namespace

void Schedule::add(Command command) {
  lane_of(command.in_band).waiting.push_back(std::move(command));
}

std::optional<Command> Schedule::next() {
  if (auto command = next_of(out_of_band_)) return command;
  return next_of(in_band_);
}

std::optional<Command> Schedule::next_of(Lane& lane) {
  if (lane.waiting.empty() || lane.out >= max_out) return std::nullopt;
  // QEMU closes unclaimed descriptors when new ones come: one such command at a time.
  if (lane.waiting.front().takes_fds && fds_out_) return std::nullopt;
  auto command = std::move(lane.waiting.front());
  lane.waiting.pop_front();
  ++lane.out;
  fds_out_ |= command.takes_fds;
  sent_[command.id] = {
      .client = command.client, .in_band = command.in_band, .takes_fds = command.takes_fds};
  return command;
}

std::optional<std::uint64_t> Schedule::finish(std::uint64_t id) {
  const auto found = sent_.find(id);
  if (found == sent_.end()) return std::nullopt;
  const auto [client, in_band, takes_fds] = found->second;
  sent_.erase(found);
  --lane_of(in_band).out;
  if (takes_fds) fds_out_ = false;
  return client;
}

std::optional<std::uint64_t> Schedule::oldest() const {
  const auto found =
      std::ranges::find_if(sent_, [](const auto& entry) { return entry.second.in_band; });
  if (found == sent_.end()) return std::nullopt;
  return found->first;
}

void Schedule::drop_client(std::uint64_t client) {
  for (auto* const lane : {&in_band_, &out_of_band_})
    std::erase_if(lane->waiting,
                  [client](const Command& command) { return command.client == client; });
}

}  // namespace qmp
