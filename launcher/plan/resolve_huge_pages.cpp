// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/plan/resolver.h"

#include <algorithm>

namespace hv::plan {
namespace {

/// What a node of the host can still give to this guest.
struct Room {
  const host::Node* node = nullptr;
  std::uint64_t free = 0;     ///< Pages that are there,
  std::uint64_t for_mib = 0;  ///< and memory for more.
};

using Rooms = std::vector<Room*>;

/// Pages of `page_kib` that nobody has on a node.
std::uint64_t free_pages(const Resolver& in, const host::Node& node, std::uint64_t page_kib) {
  const auto pool = std::ranges::find(node.pools, page_kib, &host::NodePool::page_kib);
  const auto all = std::ranges::find(in.host().huge_pages, page_kib, &host::HugePagePool::page_kib);
  if (pool == node.pools.end()) return 0;
  // The kernel does not say on which node the promised ones will be.
  const auto reserved = all == in.host().huge_pages.end() ? 0 : all->reserved;
  return pool->free - std::min(pool->free, reserved);
}

bool has_pool(const Resolver& in, std::uint64_t page_kib) {
  return std::ranges::any_of(in.host().nodes, [&](const host::Node& node) {
    return std::ranges::find(node.pools, page_kib, &host::NodePool::page_kib) != node.pools.end();
  });
}

/// All on one node if one has enough; else over as many as it takes. Those
/// with most to give come first.
class Sharing {
 public:
  Sharing(const Resolver& in, std::uint64_t page_kib) : in_(in), page_kib_(page_kib) {
    for (const auto& node : in.host().nodes)
      rooms_.push_back({&node, free_pages(in, node, page_kib), node.free_mib});
  }

  /// Of these nodes, of all if none is named. False: they have too little.
  [[nodiscard]] bool take(const std::vector<std::uint32_t>& from, std::uint64_t pages) {
    auto left = pages;
    std::vector<std::pair<Room*, std::uint64_t>> shares;
    for (auto* const room : rooms(from)) {
      const auto share = std::min(left, room->free + room->for_mib * 1024 / page_kib_);
      if (share != 0) shares.emplace_back(room, share);
      left -= share;
    }
    if (left != 0) return false;
    for (const auto& [room, share] : shares) give(*room, share);
    return true;
  }

  /// As many from each.
  [[nodiscard]] bool take_in_turns(const std::vector<std::uint32_t>& from, std::uint64_t pages) {
    for (std::size_t i = 0; i < from.size(); ++i)
      if (!take({from[i]}, (i + 1) * pages / from.size() - i * pages / from.size())) return false;
    return true;
  }

  /// The nodes of those that were taken since it was last asked.
  [[nodiscard]] std::vector<std::uint32_t> nodes() {
    std::ranges::sort(nodes_);
    const auto twice = std::ranges::unique(nodes_);
    nodes_.erase(twice.begin(), twice.end());
    return std::exchange(nodes_, {});
  }

  [[nodiscard]] std::vector<HugePages>& taken() { return taken_; }

  /// What the nodes have left, and how they could have more.
  [[nodiscard]] Error too_few(const std::vector<std::uint32_t>& from, std::uint64_t pages);

 private:
  Rooms rooms(const std::vector<std::uint32_t>& from) {
    Rooms rooms;
    for (auto& room : rooms_)
      if (from.empty() || std::ranges::find(from, room.node->number) != from.end())
        rooms.push_back(&room);
    std::ranges::stable_sort(rooms, std::greater(), [&](const Room* room) {
      return room->free * page_kib_ + room->for_mib * 1024;
    });
    return rooms;
  }

  void give(Room& room, std::uint64_t pages) {
    const auto free = std::min(room.free, pages);
    room.free -= free;
    room.for_mib -= (pages - free) * page_kib_ / 1024;
    nodes_.push_back(room.node->number);
    // One step a node: each counts all that is free there as its own.
    auto step = std::ranges::find(taken_, room.node->number, &HugePages::node);
    if (step == taken_.end())
      step =
          taken_.insert(taken_.end(), HugePages{.node = room.node->number, .page_kib = page_kib_});
    step->pages += pages;
    step->free += free;
  }

  const Resolver& in_;
  std::uint64_t page_kib_;
  std::vector<Room> rooms_;
  std::vector<HugePages> taken_;
  std::vector<std::uint32_t> nodes_;
};

Error Sharing::too_few(const std::vector<std::uint32_t>& from, std::uint64_t pages) {
  std::string have;
  std::uint64_t all_mib = 0;
  const auto nodes = rooms(from);
  for (const auto* const room : nodes) {
    all_mib += room->node->memory_mib;
    have += fmt::format("{}node {} has {} free and {} MiB for more", have.empty() ? "" : ", ",
                        room->node->number, room->free, room->for_mib);
  }
  const bool hopeless = pages * page_kib_ / 1024 >= all_mib;
  constexpr std::uint64_t gib_kib = 1U << 20U;
  return {.fault = Fault::missing,
          .id = "no-hugepages",
          .message = fmt::format("the guest needs {} huge pages of {}, and {}", pages,
                                 size_word(page_kib_), have),
          .origin = {.pointer = in_.profile().huge_pages.enable.pointer},
          .hint = hopeless ? fmt::format("give the guest less memory: that of {} is {} MiB in all",
                                         nodes.size() == 1 ? "the node" : "the nodes", all_mib)
                  : page_kib_ >= gib_kib
                      ? fmt::format("keep them at boot: hugepagesz=1G hugepages={} on the kernel's "
                                    "command line",
                                    pages * page_kib_ / gib_kib)
                      : "give the guest less memory, stop another guest, or set \"policy\": "
                        "\"prefer\" to go on with ordinary pages"};
}

/// "choose 1024 or 2048 for memory_mb".
std::string nearest_multiples(std::uint64_t memory_mib, std::uint64_t page_mib) {
  const auto below = memory_mib / page_mib * page_mib;
  if (below == 0) return fmt::format("choose {} for memory_mb", page_mib);
  return fmt::format("choose {} or {} for memory_mb", below, below + page_mib);
}

std::string sizes_there_are(const Resolver& in) {
  std::vector<std::string> sizes;
  for (const auto& pool : in.host().nodes.front().pools) sizes.push_back(size_word(pool.page_kib));
  return join(sizes, ", ");
}

/// Whether all of the guest's memory, and that of each of its nodes, is a
/// whole number of pages; notes what is not.
bool is_whole(Resolver& in, const Machine& machine, std::uint64_t page_kib) {
  const auto check = [&](std::uint64_t memory_mib, const std::string& whose,
                         const std::string& pointer) {
    if (memory_mib != 0 && memory_mib * 1024 % page_kib == 0) return true;
    in.note({.fault = Fault::missing,
             .id = "no-hugepages",
             .message = fmt::format("{} MiB{} is not a whole number of pages of {}", memory_mib,
                                    whose, size_word(page_kib)),
             .origin = {.pointer = pointer},
             .hint = nearest_multiples(memory_mib, page_kib / 1024)});
    return false;
  };
  if (!check(machine.memory_mib.value, "", in.profile().huge_pages.enable.pointer)) return false;
  const auto& nodes = machine.guest_nodes;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (!check(nodes[i].memory_mib, fmt::format(" of guest node {}", i), nodes[i].cause.pointer))
      return false;
  return true;
}

/// Pages for each node of the guest; where they are from says the node from then on.
std::optional<Error> share_out(std::vector<GuestNode>& nodes, std::uint64_t page_kib,
                               Sharing& sharing) {
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    auto& node = nodes[i];
    const auto pages = node.memory_mib * 1024 / page_kib;
    const bool done = node.policy == profiles::NumaPolicy::interleave
                          ? sharing.take_in_turns(node.host_nodes, pages)
                          : sharing.take(node.host_nodes, pages);
    if (!done)
      return in_context(sharing.too_few(node.host_nodes, pages),
                        fmt::format("giving guest node {} its memory", i));
    auto from = sharing.nodes();
    if (node.host_nodes.empty()) node.host_nodes = std::move(from);
  }
  return std::nullopt;
}

/// The same for a guest without nodes.
std::optional<Error> share_out(const Resolver& in, Machine& machine, std::uint64_t page_kib,
                               Sharing& sharing) {
  auto& nodes = machine.memory_nodes;
  const auto pages = machine.memory_mib.value * 1024 / page_kib;
  if (!sharing.take(nodes.value, pages)) return sharing.too_few(nodes.value, pages);
  if (in.host().nodes.size() > 1 && nodes.value.empty())
    nodes = {sharing.nodes(),
             {.rule = "huge-page-nodes", .why = "the nodes that the huge pages are on"}};
  return std::nullopt;
}

}  // namespace

void resolve_huge_pages(Resolver& in, Machine& machine) {
  const auto& wish = in.profile().huge_pages;
  if (!wish.enable.value) return;
  const auto refuse = [&](std::string message, std::string hint) {
    in.note({.fault = Fault::missing,
             .id = "no-hugepages",
             .message = std::move(message),
             .origin = {.pointer = wish.enable.pointer},
             .hint = std::move(hint)});
  };
  const auto page_kib = in.huge_page_kib();
  if (in.host().default_huge_page_kib == 0)
    return refuse("this kernel has no huge pages", "use a kernel with CONFIG_HUGETLBFS");
  if (!has_pool(in, page_kib))
    return refuse(fmt::format("this kernel has no huge pages of {}", size_word(page_kib)),
                  fmt::format("it has {}", sizes_there_are(in)));
  if (!is_whole(in, machine, page_kib)) return;

  Sharing sharing(in, page_kib);
  auto nodes = machine.guest_nodes;
  auto too_few = nodes.empty() ? share_out(in, machine, page_kib, sharing)
                               : share_out(nodes, page_kib, sharing);
  if (too_few) {
    if (wish.policy.value != profiles::HugePagePolicy::prefer) return in.note(*std::move(too_few));
    return in.warn("no-hugepages", too_few->message + "; going on with ordinary pages");
  }
  machine.guest_nodes = std::move(nodes);
  machine.huge_page_kib = page_kib;
  machine.huge_pages = std::move(sharing.taken());
}

}  // namespace hv::plan
