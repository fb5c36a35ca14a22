// SPDX-License-Identifier: MIT
#include "launcher/qemu/firmware.h"

#include "tests/temp_tree.h"

#include <doctest/doctest.h>

#include <filesystem>

using hv::qemu::choose_firmware;
using hv::qemu::firmware_directories;
using hv::qemu::FirmwareDescriptor;
using hv::qemu::FirmwareSet;
using hv::qemu::read_firmware;

namespace {

using Texts = std::vector<std::string>;

std::string descriptor_json(std::string_view code, std::string_view features = "") {
  return fmt::format(
      R"({{"description":"test","interface-types":["uefi"],)"
      R"("mapping":{{"device":"flash","executable":{{"filename":"{}","format":"raw"}},)"
      R"("nvram-template":{{"filename":"/vars.fd","format":"qcow2"}}}},)"
      R"("targets":[{{"architecture":"x86_64","machines":["pc-q35-*"]}}],)"
      R"("features":[{}],"tags":[]}})",
      code, features);
}

/// A descriptor that fits a plain wish; each row of a table changes it.
FirmwareDescriptor plain(std::string file) {
  return {.file = std::move(file),
          .description = "plain",
          .uefi = true,
          .flash = true,
          .code = "/code.fd",
          .code_format = "raw",
          .vars_template = "/vars.fd",
          .vars_format = "raw",
          .targets = {{.architecture = "x86_64", .machines = {"pc-q35-*"}}},
          .features = {},
          .present = true};
}

FirmwareDescriptor with_features(std::string file, Texts features) {
  auto descriptor = plain(std::move(file));
  descriptor.features = std::move(features);
  return descriptor;
}

/// Debian 12's x86_64 descriptors.
FirmwareSet debian() {
  auto set = FirmwareSet{
      .descriptors = {with_features("40-enrolled", {"acpi-s3", "amd-sev", "enrolled-keys",
                                                    "requires-smm", "secure-boot"}),
                      with_features("50-secure",
                                    {"acpi-s3", "amd-sev", "requires-smm", "secure-boot"}),
                      with_features("60-plain", {"acpi-s3", "amd-sev"})},
      .problems = {}};
  return set;
}

}  // namespace

TEST_CASE("firmware directories, lowest precedence first") {
  struct Row {
    const char* binary;
    const char* data_dirs;
    const char* config_home;
    Texts expected;
  };
  const Row rows[] = {
      {"/usr/bin/qemu-system-x86_64", "", "", {"/usr/share/qemu/firmware", "/etc/qemu/firmware"}},
      {"/nix/store/abc-qemu/bin/qemu-system-x86_64",
       "/run/a/share:/run/b/share/:/usr/share",
       "/home/me/.config",
       {"/usr/share/qemu/firmware", "/nix/store/abc-qemu/share/qemu/firmware",
        "/run/b/share/qemu/firmware", "/run/a/share/qemu/firmware", "/etc/qemu/firmware",
        "/home/me/.config/qemu/firmware"}},
      {"qemu", "relative::", "relative", {"/usr/share/qemu/firmware", "/etc/qemu/firmware"}},
  };
  for (const auto& [binary, data_dirs, config_home, expected] : rows) {
    CAPTURE(binary);
    CHECK_EQ(firmware_directories(binary, data_dirs, config_home), expected);
  }
}

TEST_CASE("a descriptor is read whole") {
  const TempTree tree;
  tree.write("/code.fd", "code");
  tree.write("/vars.fd", "vars");
  tree.write("/usr/share/qemu/firmware/60-x.json",
             descriptor_json("/code.fd", R"("secure-boot","acpi-s3")"));
  const auto set = read_firmware(tree.root(), {"/usr/share/qemu/firmware", "/no/such"});
  CHECK(set.problems.empty());
  REQUIRE_EQ(set.descriptors.size(), 1);
  const auto& [file, description, uefi, flash, code, code_format, vars, vars_format, targets,
               features, present] = set.descriptors[0];
  CHECK_EQ(file, "/usr/share/qemu/firmware/60-x.json");
  CHECK_EQ(description, "test");
  CHECK(uefi);
  CHECK(flash);
  CHECK_EQ(code, "/code.fd");
  CHECK_EQ(code_format, "raw");
  CHECK_EQ(vars, "/vars.fd");
  CHECK_EQ(vars_format, "qcow2");
  REQUIRE_EQ(targets.size(), 1);
  CHECK_EQ(targets[0].architecture, "x86_64");
  CHECK_EQ(targets[0].machines, Texts{"pc-q35-*"});
  CHECK_EQ(features, Texts{"secure-boot", "acpi-s3"});
  CHECK(present);
}

TEST_CASE("a higher directory replaces and masks, and names give the order") {
  const TempTree tree;
  for (const char* const image : {"/vars.fd", "/low.fd", "/high.fd"}) tree.write(image, "image");
  tree.write("/low/30-both.json", descriptor_json("/low.fd"));
  tree.write("/low/20-only-low.json", descriptor_json("/low.fd"));
  tree.write("/low/40-masked.json", descriptor_json("/low.fd"));
  tree.write("/low/41-masked.json", descriptor_json("/low.fd"));
  tree.write("/low/50-back.json", "");
  tree.write("/low/README", "not a descriptor");
  tree.write("/high/10-only-high.json", descriptor_json("/high.fd"));
  tree.write("/high/30-both.json", descriptor_json("/high.fd"));
  tree.write("/high/40-masked.json", "");
  tree.write("/dev/null", "");
  std::filesystem::create_symlink("/dev/null", tree.path("/high/41-masked.json"));
  tree.write("/high/50-back.json", descriptor_json("/high.fd"));

  const auto set = read_firmware(tree.root(), {"/low", "/high"});
  Texts found;
  for (const auto& descriptor : set.descriptors) {
    CHECK(descriptor.present);
    found.push_back(descriptor.file + " " + descriptor.code);
  }
  CHECK_EQ(found, Texts{"/high/10-only-high.json /high.fd", "/low/20-only-low.json /low.fd",
                        "/high/30-both.json /high.fd", "/high/50-back.json /high.fd"});
  CHECK(set.problems.empty());
}

TEST_CASE("a descriptor that cannot be used is a problem, and the others still count") {
  struct Row {
    const char* text;
    const char* problem;
  };
  constexpr Row rows[] = {
      {"{", "not JSON"},
      {"[]", "no 'interface-types'"},
      {R"({"interface-types":["uefi"]})", "no 'targets'"},
      {R"({"interface-types":["uefi"],"targets":[{}]})", "a target without"},
      {R"({"interface-types":["uefi"],"targets":[]})", "no 'mapping'"},
      {R"({"interface-types":["uefi"],"targets":[],"mapping":{"device":"flash"}})",
       "no 'filename'"},
      {R"({"interface-types":["uefi"],"targets":[],"mapping":{"device":"flash",)"
       R"("executable":{"filename":"/c"}}})",
       "no 'nvram-template'"},
      {R"({"interface-types":["uefi"],"targets":[],"mapping":{"device":"flash",)"
       R"("mode":"combined","executable":{"filename":"/c"}}})",
       "flash mode 'combined'"},
      {R"({"interface-types":["uefi"],"targets":[],"mapping":{"device":"memory"}})",
       "no 'filename'"},
  };
  for (const auto& [text, problem] : rows) {
    CAPTURE(text);
    const TempTree tree;
    tree.write("/code.fd", "code");
    tree.write("/vars.fd", "vars");
    tree.write("/d/10-bad.json", text);
    tree.write("/d/20-good.json", descriptor_json("/code.fd"));
    const auto set = read_firmware(tree.root(), {"/d"});
    REQUIRE_EQ(set.problems.size(), 1);
    CHECK_EQ(set.problems[0].id, "bad-firmware-descriptor");
    CAPTURE(set.problems[0].message);
    CHECK(set.problems[0].message.contains("/d/10-bad.json"));
    CHECK(set.problems[0].message.contains(problem));
    REQUIRE_EQ(set.descriptors.size(), 1);
    CHECK_EQ(set.descriptors[0].file, "/d/20-good.json");
  }
}

TEST_CASE("mapping modes") {
  const TempTree tree;
  tree.write("/code.fd", "code");
  tree.write("/d/1.json",
             R"({"interface-types":["uefi"],"targets":[],"mapping":{"device":"flash",)"
             R"("mode":"stateless","executable":{"filename":"/code.fd","format":"qcow2"}}})");
  tree.write(
      "/d/2.json",
      R"({"interface-types":["bios"],"targets":[],"mapping":{"device":"memory","filename":"/code.fd"}})");
  const auto set = read_firmware(tree.root(), {"/d"});
  REQUIRE_EQ(set.descriptors.size(), 2);
  CHECK(set.descriptors[0].flash);
  CHECK(set.descriptors[0].vars_template.empty());
  CHECK_EQ(set.descriptors[0].code_format, "qcow2");
  CHECK(set.descriptors[0].present);
  CHECK_FALSE(set.descriptors[1].flash);
  CHECK_FALSE(set.descriptors[1].uefi);
  CHECK_EQ(set.descriptors[1].code, "/code.fd");
}

TEST_CASE("a missing image is a problem of its descriptor") {
  const TempTree tree;
  tree.write("/code.fd", "code");
  tree.write("/d/1.json", descriptor_json("/code.fd"));
  const auto set = read_firmware(tree.root(), {"/d"});
  REQUIRE_EQ(set.descriptors.size(), 1);
  CHECK_FALSE(set.descriptors[0].present);
  REQUIRE_EQ(set.problems.size(), 1);
  CHECK_EQ(set.problems[0].id, "firmware-image-missing");
  CHECK(set.problems[0].message.contains("/vars.fd"));
}

TEST_CASE("the firmware that asks least is chosen, and Secure Boot needs keys") {
  const auto set = debian();
  const auto plain_one = choose_firmware(set, {.architecture = "x86_64", .machine = "pc-q35-7.2"});
  REQUIRE(plain_one.has_value());
  CHECK_EQ(plain_one->file, "60-plain");
  const auto secure = choose_firmware(
      set, {.architecture = "x86_64", .machine = "pc-q35-7.2", .secure_boot = true});
  REQUIRE(secure.has_value());
  CHECK_EQ(secure->file, "40-enrolled");
}

TEST_CASE("among equals the first name wins, and a lesser fit beats none") {
  struct Row {
    const char* what;
    std::vector<FirmwareDescriptor> descriptors;
    const char* expected;
  };
  auto stateless = plain("10-stateless");
  stateless.vars_template.clear();
  const Row rows[] = {
      {"first name", {plain("10"), plain("20")}, "10"},
      {"keys are avoided",
       {with_features("10", {"secure-boot", "enrolled-keys"}),
        with_features("20", {"secure-boot"})},
       "20"},
      {"SMM is avoided",
       {with_features("10", {"secure-boot", "requires-smm"}), with_features("20", {"secure-boot"})},
       "20"},
      {"keys rather than nothing", {with_features("10", {"secure-boot", "enrolled-keys"})}, "10"},
      {"variables are kept", {stateless, plain("20")}, "20"},
      {"stateless rather than nothing", {stateless}, "10-stateless"},
  };
  for (const auto& [what, descriptors, expected] : rows) {
    CAPTURE(what);
    const auto found = choose_firmware({.descriptors = descriptors, .problems = {}},
                                       {.architecture = "x86_64", .machine = "pc-q35-9.0"});
    REQUIRE(found.has_value());
    CHECK_EQ(found->file, expected);
  }
}

TEST_CASE("machine globs match versioned names") {
  struct Row {
    const char* glob;
    const char* machine;
    bool fits;
  };
  constexpr Row rows[] = {
      {"pc-q35-*", "pc-q35-7.2", true},
      {"pc-q35-*", "q35", false},
      {"pc-q35-*", "pc-i440fx-7.2", false},
      {"virt*", "virt", true},
      {"virt*", "virt-11.1", true},
      {"virt-*", "virt", false},
      {"*", "anything", true},
      {"pc-q35-?.2", "pc-q35-7.2", true},
      {"", "pc-q35-7.2", false},
  };
  for (const auto& [glob, machine, fits] : rows) {
    CAPTURE(glob);
    CAPTURE(machine);
    auto descriptor = plain("d");
    descriptor.targets[0].machines = {glob};
    const auto found = choose_firmware({.descriptors = {descriptor}, .problems = {}},
                                       {.architecture = "x86_64", .machine = machine});
    CHECK_EQ(found.has_value(), fits);
  }
}

TEST_CASE("the error names the nearest firmware, why it does not fit, and the package") {
  struct Row {
    const char* what;
    void (*change)(FirmwareDescriptor&);
    bool secure_boot;
    const char* why;
  };
  constexpr Row rows[] = {
      {"interface", [](auto& d) { d.uefi = false; }, false, "60-plain, is not UEFI"},
      {"machine", [](auto& d) { d.targets[0].machines = {"pc-i440fx-*"}; }, false,
       "60-plain, is not for machine 'pc-q35-7.2'"},
      {"mapping", [](auto& d) { d.flash = false; }, false, "is not mapped as flash"},
      {"confidential",
       [](auto& d) {
         d.features = {"amd-sev-snp"};
         d.vars_template.clear();
       },
       false, "is for confidential guests only"},
      {"secure boot", [](auto&) {}, true, "has no Secure Boot"},
      {"keys", [](auto& d) { d.features = {"secure-boot"}; }, true, "has no keys enrolled"},
      {"images", [](auto& d) { d.present = false; }, false,
       "names images that are not there: /code.fd, /vars.fd"},
  };
  for (const auto& [what, change, secure_boot, why] : rows) {
    CAPTURE(what);
    auto descriptor = plain("60-plain");
    change(descriptor);
    auto farther = plain("10-farther");
    farther.targets[0].architecture = "aarch64";
    const auto found = choose_firmware(
        {.descriptors = {farther, descriptor}, .problems = {}},
        {.architecture = "x86_64", .machine = "pc-q35-7.2", .secure_boot = secure_boot});
    REQUIRE_FALSE(found.has_value());
    CAPTURE(found.error().message);
    CHECK_EQ(found.error().id, "no-firmware");
    CHECK_EQ(found.error().fault, hv::Fault::missing);
    CHECK(found.error().message.contains("x86_64 machine 'pc-q35-7.2'"));
    CHECK(found.error().message.contains(why));
    CHECK(found.error().hint.contains("apt-get install ovmf"));
  }
}

TEST_CASE("with no firmware at all the error still names the package") {
  struct Row {
    const char* architecture;
    const char* package;
  };
  constexpr Row rows[] = {{"x86_64", "ovmf`"},
                          {"aarch64", "qemu-efi-aarch64"},
                          {"riscv64", "qemu-efi-riscv64"},
                          {"loongarch64", "qemu-efi-loongarch64"}};
  for (const auto& [architecture, package] : rows) {
    CAPTURE(architecture);
    auto other = plain("other");
    other.targets[0].architecture = "i386";
    const auto found = choose_firmware({.descriptors = {other}, .problems = {}},
                                       {.architecture = architecture, .machine = "virt"});
    REQUIRE_FALSE(found.has_value());
    CHECK_FALSE(found.error().message.contains("nearest"));
    CHECK(found.error().hint.contains(package));
    CHECK(found.error().hint.contains("NixOS"));
  }
}
