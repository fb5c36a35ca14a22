// SPDX-License-Identifier: MIT
//
// Prints what a QMP round trip costs, directly and through the multiplexer, and
// the memory of a process that hosts the multiplexer: "name value unit".
#include "../qmp_qemu.h"
#include "qmp/client.h"
#include "qmp/commands.h"

#include <algorithm>
#include <cstdio>
#include <fstream>

namespace {

using Clock = std::chrono::steady_clock;
using Microseconds = std::chrono::duration<double, std::micro>;

std::vector<double> round_trips(qmp::Client& client, int count) {
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    const auto begin = Clock::now();
    if (!client.call(qmp::QueryStatus{})) std::exit(1);
    times.push_back(Microseconds(Clock::now() - begin).count());
  }
  return times;
}

double median(std::vector<double> times) {
  std::ranges::nth_element(times, times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2));
  return times[times.size() / 2];
}

void print_memory(pid_t pid) {
  std::ifstream rollup("/proc/" + std::to_string(pid) + "/smaps_rollup");
  for (std::string key; rollup >> key;) {
    long value = 0;
    if (key == "Pss:" && rollup >> value) std::printf("multiplexer_pss %ld KiB\n", value);
    if (key == "Rss:" && rollup >> value) std::printf("multiplexer_rss %ld KiB\n", value);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: qmp_bench <path of qmp_multiplex>\n");
    return 2;
  }
  const qmp_test::Qemu qemu;
  const auto socket = qemu.file("qmp.sock");
  std::array<int, 2> ready{};
  if (::pipe2(ready.data(), O_CLOEXEC) < 0) return 1;
  const int own_output = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  ::dup2(ready[1], STDOUT_FILENO);
  const auto host = qmp_test::start({argv[1], qemu.monitor(1), socket});
  ::dup2(own_output, STDOUT_FILENO);
  ::close(ready[1]);
  char newline = 0;
  if (::read(ready[0], &newline, 1) != 1) return 1;

  auto direct = qmp::Client::connect(qemu.monitor(0));
  auto multiplexed = qmp::Client::connect(socket);
  if (!direct || !multiplexed) return 1;
  std::vector<double> direct_times;
  std::vector<double> multiplexed_times;
  for (int round = 0; round < 40; ++round) {  // In turns: what disturbs one disturbs the other.
    std::ranges::copy(round_trips(*direct, 50), std::back_inserter(direct_times));
    std::ranges::copy(round_trips(*multiplexed, 50), std::back_inserter(multiplexed_times));
  }
  std::printf("direct_round_trip %.1f us\n", median(direct_times));
  std::printf("multiplexed_round_trip %.1f us\n", median(multiplexed_times));
  std::printf("multiplexed_to_direct %.2f ratio\n",
              median(multiplexed_times) / median(direct_times));
  print_memory(host);
  if (!multiplexed->execute("query-qmp-schema")) return 1;
  std::printf("after_a_schema:\n");
  print_memory(host);
  (void)direct->call(qmp::Quit{});  // Ends the host too.
  ::waitpid(host, nullptr, 0);
}
