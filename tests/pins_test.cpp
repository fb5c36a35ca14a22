// SPDX-License-Identifier: MIT
#include "launcher/run/pins.h"

#include "launcher/run/helpers.h"
#include "tests/qmp_peer.h"
#include "tests/run_place.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sched.h>
#include <boost/json.hpp>

#include <algorithm>
#include <future>

using namespace hv::run;
using hv::CpuSet;
using hv::plan::ThreadPins;
namespace json = boost::json;

namespace {

CpuSet affinity_of(pid_t thread) {
  cpu_set_t mask;
  REQUIRE_EQ(::sched_getaffinity(thread, sizeof mask, &mask), 0);
  std::vector<std::uint32_t> cpus;
  for (std::uint32_t cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &mask)) cpus.push_back(cpu);
  return CpuSet(std::move(cpus));
}

/// A thread that stands still.
class Idle {
 public:
  Idle() : id_(told_.get_future().get()) {}

  [[nodiscard]] pid_t id() const { return id_; }

 private:
  std::promise<pid_t> told_;
  std::promise<void> end_;
  std::jthread thread_{[this, end = end_.get_future()]() mutable {
    told_.set_value(::gettid());
    end.wait();
  }};
  pid_t id_;

 public:
  Idle(const Idle&) = delete;
  Idle& operator=(const Idle&) = delete;
  ~Idle() { end_.set_value(); }
};

/// A QEMU that has these threads.
struct FakeQemu {
  FakeQemu(std::vector<pid_t> vcpus, pid_t iothread)
      : peer([vcpus = std::move(vcpus), iothread](qmp_test::End& end) {
          qmp_test::serve(end, [&](qmp_test::End& at) {
            for (;;) {
              const auto request = at.message();
              if (!request.is_object()) return;
              json::array threads;
              if (request.at("execute") == "query-cpus-fast")
                for (std::size_t i = 0; i < vcpus.size(); ++i)
                  threads.push_back(json::object{{"cpu-index", i},
                                                 {"thread-id", vcpus[i]},
                                                 {"qom-path", "/machine"},
                                                 {"target", "x86_64"}});
              else if (request.at("execute") == "query-iothreads" && iothread != 0)
                threads.push_back(json::object{{"id", "disk"}, {"thread-id", iothread}});
              at.write(
                  json::serialize(json::object{{"return", threads}, {"id", request.at("id")}}) +
                  "\r\n");
            }
          });
        }),
        client(qmp::Client::attach(peer.fd(), {.timeout = std::chrono::seconds(2)})) {}

  qmp::Client& operator*() {
    REQUIRE(client.has_value());
    return *client;
  }

  qmp_test::Peer peer;  // Before the client: its thread ends when the client is gone.
  qmp::Result<qmp::Client> client;
};

constexpr std::uint32_t no_such_cpu = 8100;
const hv::Root root = hv::Root::open().value();

}  // namespace

TEST_CASE("vCPUs and I/O threads are put where they shall be, and compared later") {
  const Idle vcpu;
  const Idle iothread;
  const auto all = affinity_of(0);
  const CpuSet first{all.front()};
  FakeQemu qemu({vcpu.id()}, iothread.id());
  const ThreadPins pins{.vcpus = {first}, .emulator = all, .iothreads = first};
  REQUIRE(apply_pins(root, ::getpid(), *qemu, pins).has_value());
  CHECK_EQ(affinity_of(vcpu.id()), first);
  CHECK_EQ(affinity_of(iothread.id()), first);
  CHECK_EQ(affinity_of(0), all);

  const RunPlace here;
  const auto threads = compare_pins(here.place(), ::getpid(), *qemu, pins);
  REQUIRE(threads.has_value());
  REQUIRE_GE(threads->size(), 3);
  CHECK_EQ(threads->at(0).what, "vCPU 0");
  CHECK_EQ(threads->at(0).id, vcpu.id());
  CHECK_EQ(threads->at(0).intended, first);
  CHECK_EQ(threads->at(1).what, "I/O thread disk");
  CHECK_EQ(threads->back().what, "QEMU");
  CHECK_EQ(std::ranges::count_if(*threads, &PinnedThread::drifted), 0);

  const ThreadPins elsewhere{.vcpus = {CpuSet{no_such_cpu}}, .emulator = all, .iothreads = first};
  const auto drifted = compare_pins(here.place(), ::getpid(), *qemu, elsewhere);
  REQUIRE(drifted.has_value());
  CHECK(drifted->front().drifted());
  CHECK_EQ(std::ranges::count_if(*drifted, &PinnedThread::drifted), 1);
}

TEST_CASE("a pin that the kernel refuses or bends is an error") {
  const Idle vcpu;
  const auto all = affinity_of(0);
  FakeQemu qemu({vcpu.id()}, 0);
  const auto refused =
      apply_pins(root, ::getpid(), *qemu, {.vcpus = {CpuSet{no_such_cpu}}, .emulator = all});
  REQUIRE_FALSE(refused.has_value());
  CHECK_EQ(refused.error().os_error, EINVAL);
  CHECK_EQ(refused.error().message, "pin vCPU 0 to CPU 8100: Invalid argument");
  CHECK(refused.error().hint.contains("must be online"));

  const auto bent = apply_pins(root, ::getpid(), *qemu,
                               {.vcpus = {CpuSet{all.front(), no_such_cpu}}, .emulator = all});
  REQUIRE_FALSE(bent.has_value());
  CHECK_EQ(bent.error().id, "not-pinned");
  CHECK_EQ(bent.error().fault, hv::Fault::missing);
  CHECK_EQ(bent.error().message,
           fmt::format("vCPU 0 is to run on CPU {0},8100, and the kernel lets it on CPU {0}",
                       all.front()));
}

TEST_CASE("a QEMU with another number of vCPUs is not pinned in part") {
  const Idle vcpu;
  const auto all = affinity_of(0);
  FakeQemu qemu({vcpu.id()}, 0);
  const auto pinned = apply_pins(root, ::getpid(), *qemu, {.vcpus = {all, all}, .emulator = all});
  REQUIRE_FALSE(pinned.has_value());
  CHECK_EQ(pinned.error().id, "not-pinned");
  CHECK_EQ(pinned.error().message, "QEMU has 1 vCPUs, and 2 are to be pinned");
}

TEST_CASE("without pins QEMU is not even asked") {
  FakeQemu qemu({}, 0);
  CHECK(apply_pins(root, ::getpid(), *qemu, {}).has_value());
  CHECK(enter_emulator_cpus({}).has_value());
  const auto all = affinity_of(0);
  CHECK(enter_emulator_cpus({.vcpus = {all}, .emulator = all}).has_value());
  CHECK_EQ(enter_emulator_cpus({.vcpus = {all}, .emulator = CpuSet{no_such_cpu}}).error().os_error,
           EINVAL);
  CHECK_EQ(affinity_of(0), all);
}

TEST_CASE("vCPUs get their scheduler, and it is compared later") {
  const Idle vcpu;
  const auto all = affinity_of(0);
  FakeQemu qemu({vcpu.id()}, 0);
  // What anybody may have without a privilege.
  const ThreadPins pins{.vcpus = {all}, .emulator = all, .policy = hv::profiles::Policy::batch};
  REQUIRE(apply_pins(root, ::getpid(), *qemu, pins).has_value());
  CHECK_EQ(::sched_getscheduler(vcpu.id()), SCHED_BATCH | SCHED_RESET_ON_FORK);
  const RunPlace here;
  const auto threads = compare_pins(here.place(), ::getpid(), *qemu, pins);
  REQUIRE(threads.has_value());
  CHECK_EQ(threads->front().scheduler, "batch");
  CHECK_FALSE(threads->front().drifted());

  const sched_param none{};
  REQUIRE_EQ(::sched_setscheduler(vcpu.id(), SCHED_OTHER, &none), 0);
  const auto drifted = compare_pins(here.place(), ::getpid(), *qemu, pins);
  REQUIRE(drifted.has_value());
  CHECK_EQ(drifted->front().scheduler, "other");
  CHECK(drifted->front().drifted());
  CHECK_EQ(std::ranges::count_if(*drifted, &PinnedThread::drifted), 1);
}

TEST_CASE("a scheduler that the kernel refuses is an error with its cure") {
  const Idle vcpu;
  const auto all = affinity_of(0);
  FakeQemu qemu({vcpu.id()}, 0);
  const ThreadPins pins{.vcpus = {all},
                        .emulator = all,
                        .policy = hv::profiles::Policy::fifo,
                        .priority = 100};  // One more than there are.
  const auto refused = apply_pins(root, ::getpid(), *qemu, pins);
  REQUIRE_FALSE(refused.has_value());
  CHECK_EQ(refused.error().id, "no-scheduler");
  CHECK_EQ(refused.error().os_error, EINVAL);
  CHECK(refused.error().hint.contains("rtprio 100"));
}

TEST_CASE("workers of vhost are known by the kernel's word, not by their names") {
  const TempTree tree;
  const auto fake = tree.root();
  std::filesystem::create_directories(tree.path("/proc/77/fd"));
  tree.write("/proc/77/task/77/stat", "77 (qemu-system-x86) S 1 77 77 0 -1 4194304 0 0");
  tree.write("/proc/77/task/78/stat", "78 (vhost-77) S 1 77 77 0 -1 4194304 0 0");
  tree.write("/proc/900/stat", "900 (vhost-77) S 2 0 0 0 -1 2129984 0 0");
  tree.write("/proc/901/stat", "901 (vhost-77) S 1 0 0 0 -1 4194304 0 0");
  tree.write("/proc/902/stat", "902 (vhost-78) S 2 0 0 0 -1 2129984 0 0");
  tree.write("/proc/903/stat", "903");
  CHECK(vhost_workers(fake, 77).empty());  // It has no vhost device.

  std::filesystem::create_symlink("/dev/vhost-net", tree.path("/proc/77/fd/9"));
  const auto older = vhost_workers(fake, 77);
  REQUIRE_EQ(older.size(), 1);
  CHECK_EQ(older.front().id, 900);

  // Since Linux 6.4 they are QEMU's own threads, of a special kind.
  tree.write("/proc/77/task/79/stat", "79 (vhost-77) S 1 77 77 0 -1 4210688 0 0");
  const auto newer = vhost_workers(fake, 77);
  REQUIRE_EQ(newer.size(), 1);
  CHECK_EQ(newer.front().id, 79);
  CHECK(is_kernels_own(fake, 77, 79));
  CHECK_FALSE(is_kernels_own(fake, 77, 78));
}

TEST_CASE("programs that help a guest are those that know its directory") {
  const TempTree tree;
  const auto fake = tree.root();
  const hv::Paths paths{.profiles = {},
                        .config = {},
                        .state = {},
                        .runtime = "/run/hvlaunch",
                        .cache = {},
                        .firmware_config = {}};
  std::filesystem::create_directories(tree.path("/run/hvlaunch/web"));
  using namespace std::string_literals;
  tree.write("/proc/5/cmdline", "swtpm\0--ctrl\0path=/run/hvlaunch/web/tpm.sock\0"s);
  tree.write("/proc/5/stat", "5 (swtpm) S 1 0 0 0 -1 0 0");
  tree.write("/proc/6/cmdline", "swtpm\0--ctrl\0path=/run/hvlaunch/web2/tpm.sock\0"s);
  tree.write("/proc/7/cmdline", "qemu\0path=/run/hvlaunch/web/tpm.sock\0"s);
  const auto programs = helper_programs({fake, paths, "web"}, 7);
  REQUIRE_EQ(programs.size(), 1);
  CHECK_EQ(programs.front().what, "swtpm");
  CHECK_EQ(programs.front().id, 5);
}
