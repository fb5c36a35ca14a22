// SPDX-License-Identifier: MIT
//
// What asking a QEMU costs: a probe beside the bare conversation, and a warm
// load of the cache. "<what> <milliseconds>", the median of some runs.
//
//     probe_bench qemu-system-x86_64
#include "launcher/qemu/capabilities.h"
#include "launcher/qemu/probe_child.h"
#include "launcher/qemu/probe_replies.h"
#include "tests/temp_tree.h"

#include <boost/json.hpp>

#include <sys/socket.h>
#include <unistd.h>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace {

using Clock = std::chrono::steady_clock;

template <class Run>
double median_ms(std::size_t runs, Run run) {
  std::vector<double> times;
  for (std::size_t i = 0; i < runs; ++i) {
    const auto start = Clock::now();
    run();
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  std::ranges::nth_element(times, times.begin() + static_cast<std::ptrdiff_t>(runs / 2));
  return times[runs / 2];
}

/// The probe's own requests, written at once, and their replies read and thrown away.
void converse(const std::string& binary, const std::string& requests) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) < 0) std::abort();
  const hv::UniqueFd ours(ends[0]);
  auto child = hv::qemu::ProbeChild::start(
      {binary, "-machine", "none", "-nodefaults", "-no-user-config", "-display", "none", "-S",
       "-chardev", "socket,id=q,fd=3", "-mon", "chardev=q,mode=control", "-accel", "tcg"},
      hv::UniqueFd(ends[1]));
  if (!child || ::write(ours.get(), requests.data(), requests.size()) < 0) std::abort();
  std::array<char, 65536> buffer{};
  while (::read(ours.get(), buffer.data(), buffer.size()) > 0) continue;
}

std::string text_of(const hv::qemu::Capabilities& found) {
  std::string text = R"({"execute":"qmp_capabilities"})";
  const auto add = [&](const qmp::Request& request) {
    text += boost::json::serialize(
        boost::json::object{{"execute", request.name}, {"arguments", request.arguments}});
  };
  for (const auto& request : hv::qemu::first_round()) add(request);
  for (const auto& request : hv::qemu::second_round(found, {.emulation = true})) add(request);
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  const char* const path = std::getenv("PATH");
  const auto binary =
      hv::qemu::find_binary(argc > 1 ? argv[1] : "qemu-system-x86_64", path != nullptr ? path : "");
  if (!binary) return 77;
  const hv::qemu::Question question{.emulation = true};
  const auto found = hv::qemu::probe(*binary, std::chrono::seconds(60), question);
  if (!found) return 77;
  const auto requests = text_of(*found);
  constexpr std::size_t few = 15;
  constexpr std::size_t many = 500;
  fmt::print("bare_conversation {:.1f}\n", median_ms(few, [&] { converse(*binary, requests); }));
  fmt::print("probe {:.1f}\n", median_ms(few, [&] {
               (void)hv::qemu::probe(*binary, std::chrono::seconds(60), question);
             }));
  const TempTree tree;
  const auto load = [&] {
    (void)hv::qemu::capabilities_of(tree.root(), *binary, "/cache", question);
  };
  load();
  fmt::print("warm_cache_load {:.3f}\n", median_ms(many, load));
}
