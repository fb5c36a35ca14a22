// SPDX-License-Identifier: MIT
#include "launcher/qemu/capabilities.h"

#include "tests/fake_qemu.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

namespace fs = std::filesystem;
using hv::qemu::capabilities_from_json;
using hv::qemu::capabilities_of;
using hv::qemu::find_binary;
using hv::qemu::probe;

namespace {

/// A host with a QEMU, a KVM and an empty cache.
struct Host {
  TempTree tree{};
  std::string binary = make_fake_qemu(tree);
  Host() {
    tree.write("/proc/sys/kernel/osrelease", "6.1.0\n");
    tree.write("/dev/kvm", "");
    tree.write("/sys/module/kvm/parameters/nested", "Y\n");
    tree.write("/sys/devices/system/cpu/cpu0/microcode/version", "0x1\n");
  }

  [[nodiscard]] hv::Result<hv::qemu::Capabilities> ask() const {
    return capabilities_of(tree.root(), binary, "/var/cache/hvlaunch");
  }

  /// The one file in the cache.
  [[nodiscard]] std::string entry() const {
    const auto file = *fs::directory_iterator(tree.path("/var/cache/hvlaunch"));
    return file.path().string().substr(tree.path().size());
  }
};

}  // namespace

TEST_CASE("capabilities survive their JSON form") {
  const TempTree tree;
  const auto found = probe(make_fake_qemu(tree));
  REQUIRE(found.has_value());
  const auto text = to_json(*found);
  const auto again = capabilities_from_json(text);
  REQUIRE(again.has_value());
  CHECK_EQ(to_json(*again), text);
  CHECK(again->has_property("virtio-blk-pci", "serial"));
  CHECK_EQ(again->find_machine("virt")->max_cpus, 512);
}

TEST_CASE("capabilities in no order are put in order") {
  const auto read = capabilities_from_json(
      R"({"binary":"/q","version":"9","target":"x86_64","kvm":true,"machines":[],)"
      R"("types":["b","a"],"commands":["z","y"],"options":[],"cpu-models":[],)"
      R"("properties":{"t":["q","p"]},"accelerator":"kvm","models":{"host":["z","y"]}})");
  REQUIRE(read.has_value());
  CHECK(read->kvm);
  CHECK(read->has_type("a"));
  CHECK(read->has_command("z"));
  CHECK(read->has_property("t", "q"));
  CHECK_FALSE(read->has_property("t", "a"));
  CHECK_FALSE(read->has_property("u", "q"));
  REQUIRE(read->most_capable() != nullptr);
  CHECK_EQ(read->most_capable(), read->find_model("host"));
  CHECK(read->most_capable()->has("y"));
  CHECK_FALSE(read->most_capable()->has("x"));
}

TEST_CASE("JSON that is not capabilities is refused") {
  for (const char* const text :
       {"", "{", "[]", "null", "{}", R"({"binary":1})",
        R"({"binary":"/q","version":"9","target":"x","kvm":"yes"})",
        R"({"binary":"/q","version":"9","target":"x","kvm":true,"types":[1]})",
        R"({"binary":"/q","version":"9","target":"x","kvm":true,"types":[],"commands":[],)"
        R"("options":[],"cpu-models":[],"machines":[{"name":"m"}],"properties":{}})",
        R"({"binary":"/q","version":"9","target":"x","kvm":true,"types":[],"commands":[],)"
        R"("options":[],"cpu-models":[],"machines":[],"properties":{"t":{}}})",
        R"({"binary":"/q","version":"9","target":"x","kvm":true,"types":[],"commands":[],)"
        R"("options":[],"cpu-models":[],"machines":[],"properties":{},"accelerator":"tcg",)"
        R"("models":{"max":"all"}})"}) {
    CAPTURE(text);
    const auto read = capabilities_from_json(text);
    REQUIRE_FALSE(read.has_value());
    CHECK_EQ(read.error().id, "bad-capabilities");
  }
}

TEST_CASE("a machine is found by name before alias") {
  hv::qemu::Capabilities found;
  found.machines = {{.name = "virt-9.1", .alias = "virt", .default_cpu = {}},
                    {.name = "virt", .alias = {}, .default_cpu = {}}};
  CHECK_EQ(found.find_machine("virt"), &found.machines[1]);
  CHECK_EQ(found.find_machine("virt-9.1"), &found.machines[0]);
  CHECK_EQ(found.find_machine(""), nullptr);
}

TEST_CASE("the cache answers the second time") {
  const Host host;
  const auto first = host.ask();
  REQUIRE_MESSAGE(first.has_value(), hv::describe(first.error()));
  const auto second = host.ask();
  REQUIRE(second.has_value());
  CHECK_EQ(runs_of_fake(host.tree), 1);
  CHECK_EQ(to_json(*first), to_json(*second));
  struct stat status {};
  REQUIRE_EQ(::stat(host.tree.path(host.entry()).c_str(), &status), 0);
  CHECK_EQ(status.st_mode & 0777U, 0600U);
}

TEST_CASE("each question has an entry of its own") {
  const Host host;
  const auto ask = [&](const hv::qemu::Question& question) {
    return capabilities_of(host.tree.root(), host.binary, "/var/cache/hvlaunch", question);
  };
  REQUIRE(host.ask().has_value());
  const auto model = ask({.cpu_model = "rv64"});
  REQUIRE(model.has_value());
  CHECK_EQ(model->models.size(), 2);
  CHECK_EQ(ask({.emulation = true})->accelerator, "tcg");
  CHECK_EQ(runs_of_fake(host.tree), 3);
  CHECK_EQ(ask({.cpu_model = "rv64"})->models.size(), 2);
  CHECK_EQ(host.ask()->models.size(), 1);
  CHECK_EQ(runs_of_fake(host.tree), 3);
}

TEST_CASE("a symlink to a binary shares the binary's entry") {
  Host host;
  REQUIRE(host.ask().has_value());
  fs::create_symlink(host.binary, host.tree.path("/bin/link"));
  host.binary = host.tree.path("/bin/link");
  const auto found = host.ask();
  REQUIRE(found.has_value());
  CHECK(found->binary.ends_with("/bin/qemu-system-fake"));
  CHECK_EQ(runs_of_fake(host.tree), 1);
}

TEST_CASE("whatever could change the answer makes the cache ask again") {
  struct Row {
    const char* what;
    std::function<void(const Host&)> change;
  };
  const Row rows[] = {
      {"mtime", [](const Host& host) { fs::last_write_time(host.binary, fs::file_time_type{}); }},
      {"size",
       [](const Host& host) {
         host.tree.write("/bin/qemu-system-fake",
                         host.tree.read("/bin/qemu-system-fake") + "# new\n", 0755);
       }},
      {"inode",
       [](const Host& host) {
         const auto time = fs::last_write_time(host.binary);
         fs::copy_file(host.binary, host.binary + ".new");
         fs::last_write_time(host.binary + ".new", time);
         fs::rename(host.binary + ".new", host.binary);
       }},
      {"kernel", [](const Host& host) { host.tree.write("/proc/sys/kernel/osrelease", "6.2\n"); }},
      {"KVM gone", [](const Host& host) { fs::remove(host.tree.path("/dev/kvm")); }},
      {"KVM parameter",
       [](const Host& host) { host.tree.write("/sys/module/kvm/parameters/nested", "N\n"); }},
      {"KVM module",
       [](const Host& host) { host.tree.write("/sys/module/kvm_amd/parameters/sev", "Y\n"); }},
      {"modules of QEMU", [](const Host& host) { host.tree.write("/lib/qemu/ui-gtk.so", ""); }},
      {"microcode",
       [](const Host& host) {
         host.tree.write("/sys/devices/system/cpu/cpu0/microcode/version", "0x2\n");
       }},
  };
  for (const auto& [what, change] : rows) {
    CAPTURE(what);
    const Host host;
    REQUIRE(host.ask().has_value());
    change(host);
    REQUIRE(host.ask().has_value());
    CHECK_EQ(runs_of_fake(host.tree), 2);
    REQUIRE(host.ask().has_value());
    CHECK_EQ(runs_of_fake(host.tree), 2);
  }
}

TEST_CASE("an entry that is damaged or not trustworthy is replaced") {
  struct Row {
    const char* what;
    std::function<void(const TempTree&, const std::string&)> damage;
  };
  const Row rows[] = {
      {"empty", [](const auto& tree, const auto& file) { tree.write(file, "", 0600); }},
      {"truncated",
       [](const auto& tree, const auto& file) {
         const auto text = tree.read(file);
         tree.write(file, text.substr(0, text.size() / 2), 0600);
       }},
      {"hole in it",
       [](const auto& tree, const auto& file) {
         auto text = tree.read(file);
         text.replace(text.find("\"commands\""), 10, "\"kommands\"");
         tree.write(file, text, 0600);
       }},
      {"forged models",
       [](const auto& tree, const auto& file) {
         auto text = tree.read(file);
         text.replace(text.find("\"models\":{"), 10, "\"models\":[");
         tree.write(file, text, 0600);
       }},
      {"of another format",
       [](const auto& tree, const auto& file) {
         auto text = tree.read(file);
         text.replace(text.find("\"format\":2"), 10, "\"format\":0");
         tree.write(file, text, 0600);
       }},
      {"foreign",
       [](const auto& tree, const auto& file) {
         tree.write(file,
                    "\x7f"
                    "ELF\n}\n",
                    0600);
       }},
      {"oversized",
       [](const auto& tree, const auto& file) {
         tree.write(file, tree.read(file) + std::string(2U << 20U, ' '), 0600);
       }},
      {"writable by all",
       [](const auto& tree, const auto& file) { ::chmod(tree.path(file).c_str(), 0666); }},
      {"a symlink",
       [](const auto& tree, const auto& file) {
         fs::rename(tree.path(file), tree.path("/elsewhere"));
         fs::create_symlink("/elsewhere", tree.path(file));
       }},
      {"a pipe",
       [](const auto& tree, const auto& file) {
         fs::remove(tree.path(file));
         REQUIRE_EQ(::mkfifo(tree.path(file).c_str(), 0600), 0);
       }},
  };
  for (const auto& [what, damage] : rows) {
    CAPTURE(what);
    const Host host;
    REQUIRE(host.ask().has_value());
    const auto file = host.entry();
    damage(host.tree, file);
    const auto found = host.ask();
    REQUIRE(found.has_value());
    CHECK_EQ(found->target, "riscv64");
    CHECK_EQ(runs_of_fake(host.tree), 2);
    REQUIRE(host.ask().has_value());
    CHECK_EQ(runs_of_fake(host.tree), 2);
  }
}

TEST_CASE("an entry that another user owns is not used") {
  if (::geteuid() != 0) return;  // Only root can give files away.
  const Host host;
  REQUIRE(host.ask().has_value());
  REQUIRE_EQ(::chown(host.tree.path(host.entry()).c_str(), 12345, 12345), 0);
  REQUIRE(host.ask().has_value());
  CHECK_EQ(runs_of_fake(host.tree), 2);
}

TEST_CASE("a cache that cannot be written is no error") {
  const Host host;
  host.tree.write("/var/cache", "a file where a directory should be");
  CHECK(host.ask().has_value());
  CHECK(host.ask().has_value());
  CHECK_EQ(runs_of_fake(host.tree), 2);
}

TEST_CASE("a failed probe leaves nothing in the cache") {
  const Host host;
  make_script(host.tree, "/bin/qemu-system-fake", "exit 1\n");
  const auto found = host.ask();
  REQUIRE_FALSE(found.has_value());
  CHECK_EQ(found.error().id, "qemu-died");
  CHECK_FALSE(host.tree.root().exists("/var/cache/hvlaunch"));
}

TEST_CASE("QEMU is found in the search path or by its own path") {
  const TempTree tree;
  const auto binary = make_script(tree, "/b/qemu-system-x86_64", "exit 0\n");
  tree.write("/a/qemu-system-x86_64", "not executable", 0644);
  const auto search = tree.path("/a") + "::relative:" + tree.path("/b");
  CHECK_EQ(find_binary("qemu-system-x86_64", search).value(), binary);
  CHECK_EQ(find_binary(binary, "").value(), binary);

  struct Row {
    std::string name;
    const char* hint;
  };
  const Row rows[] = {
      {"qemu-system-x86_64", "apt-get install qemu-system-x86"},
      {"qemu-system-aarch64", "apt-get install qemu-system-arm"},
      {"qemu-system-riscv64", "apt-get install qemu-system-misc"},
      {"qemu-system-loongarch64", "apt-get install qemu-system-misc"},
      {"/no/such/qemu-system-aarch64", "apt-get install qemu-system-arm"},
      {"my-qemu", "give the path"},
  };
  for (const auto& [name, hint] : rows) {
    CAPTURE(name);
    const auto found = find_binary(name, tree.path("/a"));
    REQUIRE_FALSE(found.has_value());
    CHECK_EQ(found.error().id, "qemu-missing");
    CHECK_EQ(found.error().fault, hv::Fault::missing);
    CHECK(found.error().hint.contains(hint));
  }
  const auto refused = find_binary(tree.path("/a/qemu-system-x86_64"), "");
  REQUIRE_FALSE(refused.has_value());
  CHECK_EQ(refused.error().id, "qemu-not-executable");
}
