// SPDX-License-Identifier: MIT
#include "launcher/qemu/capabilities.h"
#include "tests/fake_qemu.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>

#include <chrono>

using namespace std::chrono_literals;
using hv::Fault;
using hv::qemu::probe;

namespace {

/// True if no child of ours is left, alive or dead.
bool nothing_left() {
  return ::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD;
}

}  // namespace

TEST_CASE("a probe reads what QEMU says") {
  const TempTree tree;
  const auto binary = make_fake_qemu(tree);
  const auto found = probe(binary);
  REQUIRE_MESSAGE(found.has_value(), hv::describe(found.error()));
  CHECK_EQ(found->binary, binary);
  CHECK_EQ(found->version, "9.1.2 (Fake)");
  CHECK_EQ(found->target, "riscv64");
  CHECK_FALSE(found->kvm);
  REQUIRE(found->find_machine("virt") != nullptr);
  CHECK_EQ(found->find_machine("virt")->name, "virt-9.1");
  CHECK_EQ(found->find_machine("virt")->default_cpu, "rv64");
  CHECK_EQ(found->find_machine("virt")->max_cpus, 512);
  CHECK_EQ(found->find_machine("q35"), nullptr);
  CHECK(found->has_cpu_model("rv64"));
  CHECK(found->has_type("a-device"));
  CHECK(found->has_command("quit"));
  CHECK_FALSE(found->has_command("query-accelerators"));
  CHECK(found->has_option("sandbox"));
  CHECK(found->has_option("sandbox.spawn"));
  CHECK_FALSE(found->has_option("name.x"));
  CHECK_FALSE(found->has_option(""));
  CHECK(found->has_property("virtio-blk-pci", "drive"));
  CHECK(found->has_property("virt-9.1-machine", "pflash0"));
  CHECK_FALSE(found->has_property("virt-9.1-machine", "pflash1"));
  CHECK_EQ(found->accelerator, "tcg");
  CHECK_EQ(found->cpu_type(), "rv64-riscv-cpu");
  REQUIRE(found->find_model("max") != nullptr);
  CHECK_EQ(found->find_model("max")->on, std::vector<std::string>{"v"});
  CHECK_EQ(found->find_model("host"), nullptr);
  CHECK(nothing_left());
}

TEST_CASE("a program that is no QEMU gives an error that says how it ended") {
  struct Row {
    const char* script;
    const char* id;
    const char* text;  // Part of the message.
  };
  constexpr Row rows[] = {
      {"echo 'bad option' >&2; exit 3", "qemu-died",
       "ended with exit status 3 before it had answered:\nbad option"},
      {"exit 0", "qemu-died", "ended with exit status 0"},
      {"kill -SEGV $$", "qemu-died", "was killed by signal 11 (Segmentation fault)"},
      {"echo '{\"QMP\":{}}' >&3; echo boom >&2; kill -ABRT $$", "qemu-died", "signal 6 (Aborted)"},
      {"echo 'SSH-2.0-OpenSSH' >&3; exec cat <&3 >/dev/null", "qmp-garbage", "cannot be used"},
      {"exec cat /dev/zero >&3", "qmp-garbage", "cannot be used"},
      {"exec 3>&-; exec cat /dev/zero >/dev/null", "qemu-died", "did not end and was killed"},
      {"i=0; while [ $i -lt 3000 ]; do echo noise-noise-noise-noise-$i; i=$((i+1)); done >&2; exit "
       "4",
       "qemu-died", "exit status 4"},
  };
  const TempTree tree;
  for (const auto& [script, id, text] : rows) {
    CAPTURE(script);
    const auto found = probe(make_script(tree, "/qemu", script));
    REQUIRE_FALSE(found.has_value());
    CAPTURE(found.error().message);
    CHECK_EQ(found.error().id, id);
    CHECK_EQ(found.error().fault, Fault::missing);
    CHECK(found.error().message.contains(text));
    CHECK(nothing_left());
  }
}

TEST_CASE("a program that says nothing is killed when its time is up") {
  const TempTree tree;
  const auto binary = make_script(tree, "/qemu", "echo starting >&2; exec cat <&3 >/dev/null");
  const auto found = probe(binary, 100ms);
  REQUIRE_FALSE(found.has_value());
  CHECK_EQ(found.error().id, "qmp-timeout");
  CHECK_EQ(found.error().fault, Fault::timed_out);
  CHECK(found.error().message.contains("within 0.1 s: it hangs, or this host is overloaded"));
  CHECK(found.error().hint.contains("try again"));
  CHECK(nothing_left());
}

TEST_CASE("a QEMU that stops answering is not too old for it") {
  const TempTree tree;
  (void)make_fake_qemu(tree);
  std::string body(fake_body);
  body.insert(body.find("  id="),
              "  case $request in *query-target*) exec cat <&3 >/dev/null ;; esac\n");
  const auto binary = make_script(tree, "/bin/qemu-that-stops", body);
  const auto found = probe(binary, 300ms);
  REQUIRE_FALSE(found.has_value());
  CHECK_EQ(found.error().id, "qmp-timeout");
  CHECK_EQ(found.error().fault, Fault::timed_out);
  CHECK(nothing_left());
}

TEST_CASE("a program that cannot be started gives the kernel's reason") {
  const TempTree tree;
  const auto missing = probe(tree.path("/nothing"));
  REQUIRE_FALSE(missing.has_value());
  CHECK_EQ(missing.error().fault, Fault::missing);

  const auto no_interpreter = probe(tree.write("/script", "#!/no/such/shell\n", 0755));
  REQUIRE_FALSE(no_interpreter.has_value());
  CHECK_EQ(no_interpreter.error().os_error, ENOENT);

  const auto not_executable = probe(tree.write("/text", "text", 0644));
  REQUIRE_FALSE(not_executable.has_value());
  CHECK_EQ(not_executable.error().fault, Fault::permission);

  const auto no_format = probe(tree.write("/binary",
                                          "\x7f"
                                          "ELF",
                                          0755));
  REQUIRE_FALSE(no_format.has_value());
  CHECK_EQ(no_format.error().os_error, ENOEXEC);
  CHECK(nothing_left());
}

TEST_CASE("a QEMU that lacks a command we need is too old") {
  const TempTree tree;
  const auto found = probe(make_fake_qemu(tree, R"("qmp_capabilities" "return":{}
"query-version" "error":{"class":"CommandNotFound","desc":"no such command"}
"" "return":[]
)"));
  REQUIRE_FALSE(found.has_value());
  CHECK_EQ(found.error().id, "qemu-too-old");
  CHECK(found.error().message.contains("query-version: no such command"));
}

TEST_CASE("the probed program gets a clean environment and no descriptor of ours") {
  const TempTree tree;
  const auto secret = tree.write("/secret", "");
  // Without O_CLOEXEC, as a careless library would open it.
  const hv::UniqueFd leak(::open(secret.c_str(), O_RDONLY));
  REQUIRE(leak);
  const auto binary = make_script(tree, "/qemu",
                                  "tr '\\0' '\\n' < /proc/$$/environ > \"$0.environment\"\n"
                                  "ls -l /proc/$$/fd > \"$0.fds\"\n"
                                  "tr '\\0' ' ' < /proc/$$/cmdline > \"$0.argv\"\n");
  REQUIRE_FALSE(probe(binary).has_value());
  CHECK_EQ(tree.read("/qemu.environment"), "LC_ALL=C\nPATH=/usr/bin:/bin\n");
  const auto fds = tree.read("/qemu.fds");
  CHECK(fds.contains("3 -> socket:"));
  CHECK(fds.contains("0 -> /dev/null"));
  CHECK_FALSE(fds.contains("secret"));
  CHECK(tree.read("/qemu.argv").contains("-machine none -nodefaults -no-user-config"));
}
