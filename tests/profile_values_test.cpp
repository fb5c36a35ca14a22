// SPDX-License-Identifier: MIT
#include "profiles/profile.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

using namespace hv::profiles;
namespace fs = std::filesystem;

namespace {

std::string slurp(const fs::path& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::vector<fs::path> examples() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(SOURCE_DIR "/profiles/examples"))
    files.push_back(entry.path());
  return files;
}

/// The profile of `members` and what each profile must have.
Profile parsed(const std::string& members) {
  const auto profile =
      parse_profile({"p", "{\"name\": \"a\", \"cpus\": 4, \"memory_mb\": 512" + members + "}"});
  REQUIRE(profile.has_value());
  return *profile;
}

std::string mutated(std::string text, std::mt19937& random) {
  constexpr std::string_view pieces[] = {"{",    "}",  "[",    "]",    "\"",     ",",  ":",
                                         "//",   "/*", "*/",   "\\",   "null",   "-1", "1e999",
                                         "\\u0", "\n", "\x80", "true", "\"_\":", "0"};
  const auto below = [&](std::size_t bound) { return random() % std::max<std::size_t>(bound, 1); };
  for (auto changes = 1 + below(3); changes > 0; --changes) {
    const auto at = below(text.size());
    switch (below(4)) {
      case 0: text.erase(at, 1 + below(8)); break;
      case 1: text.insert(at, pieces[below(std::size(pieces))]); break;
      case 2: text.replace(at, 1, 1, static_cast<char>(below(256))); break;
      default: text.insert(below(text.size()), text.substr(at, below(30)));
    }
  }
  return text;
}

}  // namespace

TEST_CASE("what is not given has its default, and says so") {
  const auto profile = parsed("");
  CHECK_EQ(profile.cpus.value.value, 4);
  CHECK_EQ(profile.cpus.pointer, "/cpus");
  CHECK_EQ(profile.disk.size_gib.value, 20);
  CHECK_FALSE(profile.disk.size_gib.given());
  CHECK_EQ(profile.disk.cache.value, DiskCache::writeback);
  CHECK_EQ(profile.network.mode.value, NetworkMode::user);
  CHECK_EQ(profile.display.kind.value, DisplayKind::spice);
  CHECK_EQ(profile.console.value, ConsoleKind::serial);
  CHECK_EQ(profile.firmware.kind.value, FirmwareKind::automatic);
  CHECK_EQ(profile.topology.cores.value, 0);
  CHECK_EQ(profile.limits.cpu_quota_percent.value, 0);
  CHECK_EQ(profile.autostart.priority.value, 50);
  CHECK_EQ(profile.shutdown.agent_seconds.value, 10);
  CHECK_EQ(profile.shutdown.acpi_seconds.value, 60);
  CHECK_EQ(profile.shutdown.quit_seconds.value, 5);
  CHECK_EQ(profile.shutdown.term_seconds.value, 5);
  CHECK_EQ(profile.looking_glass.size_mib.value, 64);
  CHECK_EQ(profile.video_heads.value, 1);
  CHECK(profile.memory_balloon.value);
  CHECK(profile.watch.value);
  CHECK(profile.audio_model.value.empty());
  CHECK(profile.cpu_features.toggles.empty());
  CHECK_EQ(profile.cpu_features.hyperv.enable.value, Wish::off);
}

TEST_CASE("a value knows where it came from") {
  const auto profile = parsed(R"(,
      "firmware": "uefi", "numa": {"nodeset": "2,0-1,1"}, "memballoon": {"disable": true},
      "hostdevs": ["01:00.0"], "labels": {"b": "1", "a": "2"}, "audio": {"model": "none"},
      "cpu_features": {"sev": false, "shstk": true, "hyperv": "prefer", "properties":
        {"pcid": false, "phys-bits": 46, "hv-vendor-id": "x,y"}},
      "qemu": {"extra_args": [{"reason": "r", "args": ["-a", "b"]}]})");
  CHECK_EQ(profile.firmware.kind.value, FirmwareKind::uefi);
  CHECK_EQ(profile.firmware.kind.pointer, "/firmware");
  REQUIRE_EQ(profile.numa.nodeset.size(), 3);
  CHECK_EQ(profile.numa.nodeset[2].value, 2);
  CHECK_EQ(profile.numa.nodeset[2].pointer, "/numa/nodeset");
  CHECK_FALSE(profile.memory_balloon.value);
  CHECK_EQ(profile.memory_balloon.pointer, "/memballoon/disable");
  REQUIRE_EQ(profile.host_devices.size(), 1);
  CHECK_EQ(to_string(profile.host_devices[0].address.value.value()), "0000:01:00.0");
  CHECK_EQ(profile.host_devices[0].address.pointer, "/hostdevs/0");
  CHECK_EQ(profile.labels, decltype(profile.labels){{"b", "1"}, {"a", "2"}});
  CHECK(profile.audio_model.value.empty());
  CHECK(profile.audio_model.given());
  const auto& features = profile.cpu_features;
  REQUIRE_EQ(features.toggles.size(), 2);
  CHECK_EQ(features.toggles[0].name, "shstk");
  CHECK(features.toggles[0].required());
  CHECK_FALSE(features.toggles[1].on());
  CHECK_EQ(features.wanted("sev"), nullptr);
  CHECK_EQ(features.hyperv.enable.value, Wish::prefer);
  CHECK_EQ(features.hyperv.enable.pointer, "/cpu_features/hyperv");
  REQUIRE_EQ(features.properties.size(), 3);
  CHECK_EQ(features.properties[0].value.value, "off");
  CHECK_EQ(features.properties[1].value.value, "46");
  CHECK_EQ(features.properties[2].value.value, "x,y");
  CHECK_EQ(features.properties[2].value.pointer, "/cpu_features/properties/hv-vendor-id");
  REQUIRE_EQ(profile.extra_arguments.size(), 1);
  CHECK_EQ(profile.extra_arguments[0].arguments[1].value, "b");
  CHECK_EQ(profile.extra_arguments[0].arguments[1].pointer, "/qemu/extra_args/0/args/1");
}

TEST_CASE("what follows from other fields") {
  CHECK_EQ(parsed(R"(, "network": {"zone": "dmz"})").network.mode.value, NetworkMode::bridge);
  CHECK_EQ(parsed(R"(, "network": {"zone": "dmz"})").network.mode.pointer, "/network/zone");
  CHECK_EQ(parsed(R"(, "network": {"bridge": "br0"})").network.mode.pointer, "/network/bridge");
  CHECK_EQ(parsed(R"(, "storage": {"io": "native"})").disk.cache.value, DiskCache::none);
  CHECK_EQ(parsed(R"(, "display": {"headless": true})").display.kind.value, DisplayKind::none);
}

TEST_CASE("sizes and amounts") {
  struct Row {
    const char* cpus;
    const char* memory;
    std::uint64_t count, mib;  // 0: refused.
    bool automatic;
  };
  constexpr Row rows[] = {
      {"1", "256", 1, 256, false},
      {"4096", "4294967296", 4096, 4294967296, false},
      {"2", "\"8G\"", 2, 8192, false},
      {"2", "\"512M\"", 2, 512, false},
      {"2", "\"1TiB\"", 2, 1048576, false},
      {"2", "\"1048576K\"", 2, 1024, false},
      {"\"AUTO_DETECT\"", "\"AUTO_DETECT\"", 2, 256, true},
      {"\"AUTO_DETECT_MIN_6\"", "\"AUTO_DETECT_MIN_4096\"", 6, 4096, true},
      {"0", "256", 0, 0, false},
      {"4097", "256", 0, 0, false},
      {"\"2\"", "256", 0, 0, false},
      {"\"2G\"", "256", 0, 0, false},
      {"1", "255", 0, 0, false},
      {"1", "4294967297", 0, 0, false},
      {"1", "\"8g\"", 0, 0, false},
      {"1", "\"8 G\"", 0, 0, false},
      {"1", "\"G\"", 0, 0, false},
      {"1", "\"8GB\"", 0, 0, false},
      {"1", "\"8iB\"", 0, 0, false},
      {"1", "\"-8G\"", 0, 0, false},
      {"1", "\"1.5G\"", 0, 0, false},
      {"1", "\"300000K\"", 0, 0, false},
      {"1", "\"16384P\"", 0, 0, false},
      {"1", "\"18446744073709551616K\"", 0, 0, false},
      {"\"AUTO_DETECT_MIN_\"", "256", 0, 0, false},
      {"\"AUTO_DETECT_MIN_9999\"", "256", 0, 0, false},
      {"\"auto\"", "256", 0, 0, false},
      {"1", "\"AUTO_DETECT_MIN_6\"", 0, 0, false},
  };
  for (const auto& [cpus, memory, count, mib, automatic] : rows) {
    CAPTURE(cpus);
    CAPTURE(memory);
    const auto profile = parse_profile(
        {"p", fmt::format(R"({{"name": "a", "cpus": {}, "memory_mb": {}}})", cpus, memory)});
    REQUIRE_EQ(profile.has_value(), count != 0);
    if (!profile) {
      CHECK_EQ(profile.error().size(), 1);
      continue;
    }
    CHECK_EQ(profile->cpus.value.value, count);
    CHECK_EQ(profile->memory_mib.value.value, mib);
    CHECK_EQ(profile->cpus.value.automatic, automatic);
    CHECK_EQ(profile->memory_mib.value.automatic, automatic);
  }
}

TEST_CASE("names of VMs") {
  struct Row {
    std::string name;
    bool good;
  };
  const Row rows[] = {
      {"a", true},  {"0", true},    {"a.b_c-D", true}, {std::string(64, 'a'), true},
      {"", false},  {"-a", false},  {".a", false},     {std::string(65, 'a'), false},
      {"_", false}, {"a b", false}, {"a/b", false},    {"a\n", false},
      {"ä", false},
  };
  for (const auto& [name, good] : rows) {
    CAPTURE(name);
    CHECK_EQ(is_vm_name(name), good);
  }
}

TEST_CASE("hints lead on") {
  struct Row {
    const char* member;
    const char* hint;
  };
  constexpr Row rows[] = {
      {R"("dsk_gb": 1)", "did you mean 'disk_gb'?"},
      {R"("seed_iso_path": "x")", "'seed_iso_path' belongs in /cloud_init"},
      {R"("tpm": {"arch": 1})", "'arch' belongs at the top level"},
      {R"("network": {"mode": "bridg"})", "did you mean 'bridge'?"},
      {R"("disk_gb": "4G iB")", "a bare number counts GiB, a string has a suffix: \"8G\""},
      {R"("disk_gb": null)", "leave the member out to have its default"},
      {R"("watch": "true")", "write true and false without quotes"},
      {R"("video": {"heads": "1"})", "write numbers without quotes"},
      {R"("qemu": {"extra_args": [{"args": []}]})",
       R"(add it, like "reason": "our driver wants a second serial port")"},
      {R"("zzzzzzzz": 1)", ""},
  };
  for (const auto& [member, hint] : rows) {
    CAPTURE(member);
    const auto profile = parse_profile(
        {"p", fmt::format(R"({{"name": "a", "cpus": 1, "memory_mb": 256, {}}})", member)});
    REQUIRE_FALSE(profile.has_value());
    CHECK_EQ(profile.error().size(), 1);
    CHECK_EQ(profile.error()[0].hint, hint);
    CHECK_EQ(profile.error()[0].fault, hv::Fault::profile);
  }
}

TEST_CASE("every example is a profile") {
  CHECK_GE(examples().size(), 6);
  for (const auto& file : examples()) {
    CAPTURE(file.string());
    const auto profile = parse_profile({file.string(), slurp(file)});
    if (!profile) {
      CAPTURE(hv::describe(profile.error()[0]));
      CHECK(profile.has_value());
      continue;
    }
    CHECK_EQ(profile->name.value, file.stem().string());
  }
}

TEST_CASE("a file full of mistakes has every one of them reported") {
  std::string text = "{";
  for (int i = 0; text.size() < 60000; ++i) text += fmt::format("\"k{}\": 1,\n", i);
  const auto profile = parse_profile({"p", text + "}"});
  REQUIRE_FALSE(profile.has_value());
  CHECK_GT(profile.error().size(), 3000);
  CHECK_EQ(profile.error().back().origin.line, profile.error().size() - 3);
}

TEST_CASE("mutated profiles end in a profile or in errors with a place") {
  std::mt19937 random(20260101);  // The same in each run.
  std::size_t good = 0;
  std::size_t bad = 0;
  for (const auto& file : examples()) {
    const auto original = slurp(file);
    for (int round = 0; round < 800; ++round) {
      const auto text = mutated(original, random);
      const auto profile = parse_profile({"p", text});
      profile ? ++good : ++bad;
      if (profile) continue;
      CAPTURE(text);
      REQUIRE_FALSE(profile.error().empty());
      for (const auto& error : profile.error()) {
        REQUIRE_GT(error.origin.line, 0);
        REQUIRE_FALSE(error.id.empty());
        REQUIRE_FALSE(hv::describe(error).contains('\x1b'));
      }
    }
  }
  CHECK_GT(good, 100);
  CHECK_GT(bad, 1000);
}
