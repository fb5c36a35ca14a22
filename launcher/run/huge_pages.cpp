// SPDX-License-Identifier: MIT
#include "launcher/run/huge_pages.h"

#include "launcher/base/text.h"

#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <thread>

namespace hv::run {
namespace {

struct Pool {
  std::uint64_t pages = 0;  ///< With those that are surplus.
  std::uint64_t free = 0;
  std::uint64_t surplus = 0;
  std::uint64_t reserved = 0;  ///< Of all nodes: the kernel keeps no other count.

  [[nodiscard]] std::uint64_t available() const { return free - std::min(free, reserved); }
  /// What its owner set it to.
  [[nodiscard]] std::uint64_t base() const { return pages - std::min(pages, surplus); }
};

struct Paths {
  std::string node;  ///< The node's part of the pool; a kernel without NUMA has the whole only.
  std::string whole;
};

Paths paths_of(const Root& root, const plan::HugePages& wanted) {
  const auto name = fmt::format("hugepages-{}kB", wanted.page_kib);
  const auto whole = "/sys/kernel/mm/hugepages/" + name;
  const auto node = fmt::format("/sys/devices/system/node/node{}/hugepages/{}", wanted.node, name);
  return {.node = root.exists(node) ? node : whole, .whole = whole};
}

Result<std::uint64_t> number_in(const Root& root, const std::string& path) {
  const auto text = TRY(root.read(path));
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size())
    return fail(Fault::failed, "bad-value", "{} holds '{}', not a number", path, text);
  return number;
}

constexpr std::string_view node_directory = "/sys/devices/system/node/node";

/// What the pools of a size have on the nodes beside one.
struct Others {
  std::uint64_t base = 0;
  std::uint64_t surplus = 0;
};

Result<Others> others_of(const Root& root, std::uint32_t node, std::string_view pool) {
  Others others;
  for (const auto& name : TRY(root.list("/sys/devices/system/node"))) {
    const auto directory = fmt::format("/sys/devices/system/node/{}/{}", name, pool);
    if (!name.starts_with("node") || name == fmt::format("node{}", node) || !root.exists(directory))
      continue;
    const auto pages = TRY(number_in(root, directory + "/nr_hugepages"));
    const auto surplus = TRY(number_in(root, directory + "/surplus_hugepages"));
    others.base += pages - std::min(pages, surplus);
    others.surplus += surplus;
  }
  return others;
}

/// Writes the size of the whole pool, as a thread that has memory of one node
/// only: the kernel then adds pages there, or takes them from there.
Result<> write_for_node(const Root& root, const std::string& file, std::uint64_t pages,
                        std::uint32_t node) {
  Result<> written;
  // A policy is a thread's own: QEMU must not inherit it.
  std::thread([&] {
    constexpr std::size_t bits = 8 * sizeof(unsigned long);
    std::array<unsigned long, 1024 / bits> nodes{};
    nodes[node / bits] = 1UL << node % bits;
    if (::syscall(SYS_set_mempolicy, MPOL_BIND, nodes.data(), nodes.size() * bits + 1) < 0)
      written = fail_errno("keep to the memory of node {}", node);
    else
      written = root.write(file, std::to_string(pages));
  }).join();
  return written;
}

Result<Pool> read_pool(const Root& root, const Paths& paths) {
  return Pool{.pages = TRY(number_in(root, paths.node + "/nr_hugepages")),
              .free = TRY(number_in(root, paths.node + "/free_hugepages")),
              .surplus = TRY(number_in(root, paths.node + "/surplus_hugepages")),
              .reserved = TRY(number_in(root, paths.whole + "/resv_hugepages"))};
}

Error too_few(const plan::HugePages& wanted, const Pool& pool) {
  constexpr std::uint64_t gib_kib = 1U << 20U;
  const bool huge = wanted.page_kib >= gib_kib;
  return {.fault = Fault::missing,
          .id = "no-hugepages",
          .message = fmt::format("got {} of {} huge pages of {} on node {}: its memory is in "
                                 "use or in pieces too small",
                                 std::min(pool.available(), wanted.pages), wanted.pages,
                                 size_word(wanted.page_kib), wanted.node),
          .hint = huge ? fmt::format("keep them at boot: hugepagesz=1G hugepages={}:{} on the "
                                     "kernel's command line",
                                     wanted.node, wanted.pages * wanted.page_kib / gib_kib)
                       : "stop a guest, drop the page cache (`sync; echo 3 "
                         ">/proc/sys/vm/drop_caches`), or keep them at boot: "
                         "vm.nr_hugepages in /etc/sysctl.d"};
}

Result<> permitted(Result<> written) {
  if (written || written.error().fault != Fault::permission) return written;
  return std::unexpected(with_hint(std::move(written).error(),
                                   "only root may make huge pages: start the guest as root, or "
                                   "keep enough at boot: vm.nr_hugepages in /etc/sysctl.d"));
}

/// Lets the kernel move pages together; where it cannot, there is nothing to lose.
void compact(const Root& root, std::uint32_t node) {
  const auto path = fmt::format("/sys/devices/system/node/node{}/compact", node);
  (void)root.write(root.exists(path) ? path : "/proc/sys/vm/compact_memory", "1");
}

std::string turn_of(const Place& place) {
  return place.paths.runtime + "/.hugepages.lock";
}

/// Whether it says that a pool is to be set back. The journals of others are
/// only read: their owners may be writing.
bool has_larger_pool(const Root& root, const std::string& journal) {
  const auto raw = root.read_raw(journal);
  const auto text = raw ? parse_journal(*raw) : Result<JournalText>(JournalText{});
  return text &&
         std::ranges::find(text->entries, Undo::Kind::set_pool, &Undo::kind) != text->entries.end();
}

}  // namespace

Result<> set_pool(const Root& root, const std::string& file, const std::string& pages) {
  const std::string_view path = file;
  std::uint32_t node = 0;
  std::uint64_t wanted = 0;
  if (!path.starts_with(node_directory)) return root.write(file, pages);
  const auto* const digits = path.data() + node_directory.size();
  const auto [end, error] = std::from_chars(digits, path.data() + path.size(), node);
  const auto [rest, bad] = std::from_chars(pages.data(), pages.data() + pages.size(), wanted);
  // "hugepages/hugepages-2048kB"
  const auto from = static_cast<std::size_t>(end - path.data()) + 1;
  if (error != std::errc{} || bad != std::errc{} || from >= path.rfind('/') || node >= 1024)
    return root.write(file, pages);
  const auto pool = path.substr(from, path.rfind('/') - from);
  const auto whole = fmt::format("/sys/kernel/mm/{}/nr_hugepages_mempolicy", pool);
  const auto others = TRY(others_of(root, node, pool));
  // Kernels (6.1 and 6.12 do) take surplus pages of other nodes for some that this one is to keep,
  // and make as many more.
  if (others.surplus == 0 || !root.exists(whole)) return root.write(file, pages);
  return write_for_node(root, whole, others.base + wanted, node);
}

Result<Turn> lock_pools(const Place& place) {
  // Another start clears its pages meanwhile, some seconds for many GiB.
  constexpr std::chrono::minutes patience{5};
  auto lock = TRY(Turn::take(place.root, turn_of(place), patience), "waiting for huge pages");
  const auto names = TRY(place.root.list(place.paths.runtime));
  for (const auto& name : names) {
    const Place other{place.root, place.paths, name};
    if (name.starts_with('.') || !has_larger_pool(place.root, other.file("journal"))) continue;
    auto journal = Journal::open(place.root, other.file("journal"),
                                 [](const Root&, const Undo&) -> Result<> { return {}; });
    if (!journal) continue;  // Its own recovery tells.
    (void)set_pools_back(place.root, *journal);
    journal->keep();
  }
  return lock;
}

void end_turn_at_pools(const Place& place) {
  if (!place.root.exists(turn_of(place))) return;
  // To take it and let go removes the file; if another start has it, it does that.
  (void)Turn::take(place.root, turn_of(place), std::chrono::milliseconds(1));
}

Result<> make_huge_pages(const Root& root, const plan::HugePages& wanted, Journal& journal) {
  const auto paths = paths_of(root, wanted);
  auto pool = TRY(read_pool(root, paths));
  if (pool.available() >= wanted.pages) return {};
  const auto file = paths.node + "/nr_hugepages";
  const auto base = std::to_string(pool.base());
  const Undo undo{.kind = Undo::Kind::set_pool, .path = file, .value = base};
  TRY(journal.record(undo));
  // The kernel makes as many as it finds, and says nothing if they are fewer.
  constexpr int tries = 4;
  for (int i = 0; i < tries && pool.available() < wanted.pages; ++i) {
    if (i != 0) compact(root, wanted.node);
    const auto goal = pool.pages + (wanted.pages - pool.available());
    auto written = permitted(set_pool(root, file, std::to_string(goal)));
    if (!written && i == 0) TRY(journal.settle(undo));  // Nothing has changed.
    TRY(std::move(written));
    pool = TRY(read_pool(root, paths));
  }
  if (pool.available() >= wanted.pages) return {};
  auto error = too_few(wanted, pool);
  TRY(set_pools_back(root, journal));
  return std::unexpected(std::move(error));
}

Result<> set_pools_back(const Root& root, Journal& journal) {
  const auto text = TRY(journal.text());
  for (const auto& entry : text.entries) {
    if (entry.kind != Undo::Kind::set_pool) continue;
    TRY(set_pool(root, entry.path, entry.value), "setting the pool of huge pages back");
    TRY(journal.settle(entry));
  }
  return {};
}

}  // namespace hv::run
