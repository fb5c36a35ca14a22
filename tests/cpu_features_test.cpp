// SPDX-License-Identifier: MIT
#include "golden.h"
#include "launcher/host/cpu_facts.h"
#include "launcher/plan/host_record.h"
#include "launcher/plan/print.h"
#include "tests/temp_tree.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

using hv::plan::host_record_from_json;
using hv::plan::HostRecord;

namespace {

HostRecord host(const std::string& name) {
  auto record = host_record_from_json(slurp(TESTS_DIR "/hosts/cpus/" + name + ".json"));
  REQUIRE_MESSAGE(record.has_value(), name);
  return *std::move(record);
}

std::string profile_with(std::string_view members) {
  const auto* const cpus = members.contains("\"cpus\"") ? "" : "\"cpus\": 2, ";
  return fmt::format(R"({{"name": "web", "memory_mb": 512, "display": "none", {}{}}})", cpus,
                     members);
}

/// Its errors, one a line, or "ok".
std::string problems_of(std::string_view members) {
  const auto profile = hv::profiles::parse_profile({.name = "p", .text = profile_with(members)});
  if (profile) return "ok";
  std::string text;
  for (const auto& error : profile.error())
    text += fmt::format("{}:{} {}: {} [{}]\n", error.origin.line, error.origin.column,
                        error.origin.pointer, error.message, error.id);
  return text;
}

GoldenCase guest(const std::string& members, const std::string& on,
                 const std::string& version = "11.1") {
  auto golden = feature_case("x86_64", version, on);
  golden.source.text = profile_with(members);
  return golden;
}

const hv::plan::FeatureState* state_of(const hv::plan::Plan& plan, std::string_view name) {
  const auto found = std::ranges::find(plan.features, name, &hv::plan::FeatureState::name);
  return found == plan.features.end() ? nullptr : &*found;
}

bool has_argument(const hv::plan::Plan& plan, std::string_view option, std::string_view part) {
  return std::ranges::any_of(plan.arguments, [&](const auto& argument) {
    return argument.option == option && argument.value.contains(part);
  });
}

hv::host::ModuleParameter& parameter(GoldenCase& golden, std::string_view name) {
  auto& all = golden.host.cpu.parameters;
  const auto found = std::ranges::find(all, name, &hv::host::ModuleParameter::name);
  REQUIRE(found != all.end());
  return *found;
}

}  // namespace

TEST_CASE("features that contradict each other are errors at both places") {
  struct Row {
    const char* members;
    const char* problems;  // Parts, one after the other.
  };
  constexpr Row rows[] = {
      {R"("cpu_features": {"avic": true, "sev": "prefer"})",
       "/cpu_features/avic: 'avic' excludes 'sev' at /cpu_features/sev: KVM inhibits AVIC for "
       "guests whose memory is encrypted [conflict]"},
      {R"("cpu_features": {"avic": true, "sev": true})", " /cpu_features/sev: 'sev' excludes"},
      {R"("cpu_features": {"tdx": true, "sev_snp": true})", "one is AMD's, the other Intel's"},
      {R"("cpu_features": {"secure_tsc": "prefer"})", "'secure_tsc' needs 'sev_snp' [conflict]"},
      {R"("cpu_features": {"ciphertext_hiding": true, "sev_snp": true})", "ok"},
      {R"("cpu_features": {"mte": true})", "'mte' is a feature of aarch64, not of x86_64"},
      {R"("cpu_features": {"nested": true}, "arch": "loongarch64")",
       "'nested' is a feature of x86_64 and aarch64 and riscv64, not of loongarch64"},
      {R"("cpu_features": {"hyperv": true}, "arch": "aarch64")", "'hyperv' is a feature of x86_64"},
      {R"("cpu_features": {"shstk": true, "properties": {"cet-ss": false}})",
       "'cet-ss' excludes 'shstk' at /cpu_features/shstk: both set the same"},
      {R"("cpu_features": {"hyperv": {"stimer": true, "synic": false}})",
       "'stimer' excludes 'synic' at /cpu_features/hyperv/synic: the one needs the other"},
      {R"("cpu_features": {"shstk": "maybe"})",
       "expected true, \"prefer\" or false, found the string 'maybe' [wrong-type]"},
      {R"("cpu_features": {"properties": {"a,b": true}})",
       "'a,b' is not the name of a property of QEMU's CPU [bad-value]"},
      {R"("cpu_features": {"properties": {"pcid": 1.5}})",
       "expected true, false, a whole number or a text, found 1.5 [wrong-type]"},
      {R"("cpu_features": {"properties": {"pcid": null}})", "found null [wrong-type]"},
      {R"("cpu_features": {"extensions": ["v"]})", "expected an object, found a list"},
      {R"("confidential": {"host_data": "AAE"})", "'AAE' is not Base64 [bad-value]"},
      {R"("confidential": {"host_data": "AAEC"})",
       "'host_data' is of guests with 'sev_snp' [conflict]"},
      {R"("cpu": "baseline")", "the model 'baseline' needs the list 'baseline' [conflict]"},
      {R"("cpu": {"baseline": ["a.json"]})", "hosts are listed, and 'model' is not 'baseline'"},
      {R"("cpu": {"model": "baseline", "baseline": ["a.json"]}, "arch": "riscv64")",
       "there is no 'baseline' for riscv64"},
  };
  for (const auto& [members, problems] : rows) {
    CAPTURE(members);
    const auto found = problems_of(members);
    CAPTURE(found);
    CHECK(found.contains(problems));
  }
}

TEST_CASE("a preferred feature is left out with a warning, a required one is an error") {
  const auto preferred = plan_of(guest(R"("cpu_features": {"shstk": "prefer"})", "intel-old"));
  REQUIRE(preferred.has_value());
  REQUIRE_EQ(preferred->warnings.size(), 1);
  CHECK_EQ(preferred->warnings[0].id, "feature-missing");
  CHECK(preferred->warnings[0].message.contains("the guest is without 'shstk'"));
  REQUIRE(state_of(*preferred, "shstk") != nullptr);
  CHECK_EQ(state_of(*preferred, "shstk")->state, "missing");
  CHECK_FALSE(has_argument(*preferred, "-cpu", "cet-ss"));

  const auto required = plan_of(guest(R"("cpu_features": {"shstk": true})", "intel-old"));
  REQUIRE_FALSE(required.has_value());
  CHECK_EQ(required.error().front().id, "host-lacks-feature");
  CHECK_EQ(required.error().front().fault, hv::Fault::missing);
  CHECK_FALSE(required.error().front().hint.empty());

  const auto older = plan_of(guest(R"("cpu_features": {"shstk": true})", "intel-new", "10.0"));
  REQUIRE_FALSE(older.has_value());
  CHECK_EQ(older.error().front().id, "qemu-lacks-feature");

  const auto given = plan_of(guest(R"("cpu_features": {"shstk": true})", "intel-new"));
  REQUIRE(given.has_value());
  CHECK(has_argument(*given, "-cpu", "cet-ss=on,enforce=on"));
  CHECK(hv::plan::as_text(*given).contains("features:\n  shstk                    on\n"));
}

TEST_CASE("AVIC is active, inhibited, or missing, and it says why") {
  const auto active =
      plan_of(guest(R"("cpu_features": {"avic": true, "nested": true})", "amd-snp"));
  REQUIRE(active.has_value());
  CHECK_EQ(state_of(*active, "avic")->state, "active");
  CHECK(state_of(*active, "avic")->detail.contains("while it runs a guest of its own"));
  CHECK(has_argument(*active, "-global", "kvm-pit"));

  auto many = guest(R"("cpu_features": {"avic": "prefer"}, "cpus": 256)", "amd-snp");
  std::erase(many.host.cpu.flags, "x2avic");
  const auto inhibited = plan_of(many);
  REQUIRE(inhibited.has_value());
  CHECK_EQ(state_of(*inhibited, "avic")->state, "inhibited");
  CHECK_EQ(inhibited->warnings.at(0).id, "avic-inhibited");
  many.source.text = profile_with(R"("cpu_features": {"avic": true}, "cpus": 256)");
  const auto refused = plan_of(many);
  REQUIRE_FALSE(refused.has_value());
  CHECK_EQ(refused.error().front().id, "avic-inhibited");

  auto unreadable = guest(R"("cpu_features": {"avic": true})", "amd-snp");
  parameter(unreadable, "avic").value.reset();
  const auto blind = plan_of(unreadable);
  REQUIRE_FALSE(blind.has_value());
  CHECK_EQ(blind.error().front().id, "unreadable-parameter");
  CHECK(blind.error().front().message.contains("/sys/module/kvm_amd/parameters/avic"));
}

TEST_CASE("a feature that no QEMU has yet is used on the day that one offers it") {
  auto golden = guest(R"("memory_options": {"guest_memfd": true})", "amd-snp");
  const auto refused = plan_of(golden);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().front().message.contains("no QEMU up to 11.1 has an option for it"));
  const auto type = std::ranges::find(golden.qemu.properties, "memory-backend-memfd",
                                      &hv::qemu::TypeProperties::type);
  REQUIRE(type != golden.qemu.properties.end());
  type->properties.emplace_back("guest-memfd");
  std::ranges::sort(type->properties);
  const auto given = plan_of(golden);
  REQUIRE(given.has_value());
  CHECK(has_argument(*given, "-object", R"("guest-memfd":true)"));
  CHECK(has_argument(*given, "-machine", "memory-backend=ram"));
}

TEST_CASE("what a CPU model and the host have apart from each other is said") {
  const auto less = plan_of(guest(R"("cpu": "Haswell-v4")", "intel-new"));
  REQUIRE(less.has_value());
  REQUIRE(state_of(*less, "cpu") != nullptr);
  CHECK_EQ(state_of(*less, "cpu")->state, "Haswell-v4");
  CHECK(state_of(*less, "cpu")->detail.contains("amx-tile"));
  CHECK(less->warnings.empty());

  auto golden = guest(R"("cpu": "Haswell-v4")", "intel-new");
  for (auto& model : golden.qemu.models)
    if (model.name == "host") std::erase(model.on, "avx2");
  const auto more = plan_of(golden);
  REQUIRE(more.has_value());
  REQUIRE_FALSE(more->warnings.empty());
  CHECK_EQ(more->warnings[0].id, "model-not-whole");
  CHECK(more->warnings[0].message.ends_with("'Haswell-v4': avx2"));
}

TEST_CASE("the baseline of hosts is the most that all of them run") {
  const auto both = hv::plan::baseline_of({host("intel-new"), host("intel-old")});
  REQUIRE(both.has_value());
  CHECK_EQ(both->model, "Skylake-Server-v4");
  CHECK(both->added.empty());
  CHECK(std::ranges::binary_search(both->dropped, "cet-ss"));
  const auto one = hv::plan::baseline_of({host("amd-snp")});
  REQUIRE(one.has_value());
  CHECK_EQ(one->model, "EPYC-Turin-v1");
  CHECK(std::ranges::binary_search(one->added, "cet-ss"));
  CHECK(one->dropped.empty());
  const auto mixed = hv::plan::baseline_of({host("intel-new"), host("amd-snp")});
  REQUIRE_FALSE(mixed.has_value());
  CHECK_EQ(mixed.error().id, "no-baseline");

  auto golden = guest(R"("cpu": {"model": "baseline", "baseline": ["a", "b"]})", "intel-old");
  golden.baseline = {host("intel-new"), host("intel-old")};
  const auto plan = plan_of(golden);
  REQUIRE(plan.has_value());
  CHECK(has_argument(*plan, "-cpu", "Skylake-Server-v4,enforce=on"));
  CHECK(state_of(*plan, "cpu")->detail.contains("without what only some hosts have"));
  golden.baseline = {host("amd-snp")};
  const auto elsewhere = plan_of(golden);
  REQUIRE_FALSE(elsewhere.has_value());
  CHECK_EQ(elsewhere.error().front().id, "host-lacks-feature");
  golden.host.kvm.usable = false;
  CHECK_EQ(plan_of(golden).error().front().id, "no-kvm");
}

TEST_CASE("a host's record survives its text, and what is none is refused") {
  const auto record = host("amd-snp");
  const auto again = host_record_from_json(to_json(record));
  REQUIRE(again.has_value());
  CHECK_EQ(to_json(*again), to_json(record));
  CHECK(again->cpu.can_make(hv::host::VmType::snp));
  CHECK_FALSE(again->cpu.can_make(hv::host::VmType::tdx));
  CHECK_EQ(again->cpu.encryption.cbitpos, 51);
  auto text = to_json(record);
  const auto cut = text.substr(0, text.size() / 2);
  for (const std::string& bad :
       {std::string(), std::string("{}"), std::string("[1]"), std::string(R"({"format": 2})"),
        std::string(R"({"format": 1})"), cut, std::string(R"({"format": 1, "name": 3})")}) {
    CAPTURE(bad.substr(0, 40));
    const auto refused = host_record_from_json(bad);
    REQUIRE_FALSE(refused.has_value());
    CHECK_EQ(refused.error().id, "bad-host-record");
  }
}

TEST_CASE("what CPU and kernel can is read from their files") {
  const TempTree tree;
  tree.write("/proc/sys/kernel/osrelease", "6.18.44\n");
  tree.write(
      "/proc/cpuinfo",
      "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel\t\t: 2\nmodel name\t: AMD EPYC 9755\n"
      "flags\t\t: fpu svm user_shstk avic\n\nprocessor\t: 1\nflags\t\t: none\n");
  tree.write("/sys/module/kvm_amd/parameters/avic", "Y\n");
  tree.write("/sys/module/kvm_amd/parameters/nested", "0\n");
  tree.write("/sys/module/kvm_amd/parameters/ciphertext_hiding_asids", "100\n");
  std::filesystem::create_directories(tree.path("/sys/module/kvm_amd/parameters/sev"));  // No file.
  const auto facts = hv::host::read_cpu_facts(tree.root());
  CHECK_EQ(facts.kernel, "6.18.44");
  CHECK_EQ(facts.vendor, "AuthenticAMD");
  CHECK_EQ(facts.model, "AMD EPYC 9755");
  CHECK(facts.has_flag("user_shstk"));
  CHECK_FALSE(facts.has_flag("none"));
  CHECK(facts.is_on("kvm_amd", "avic"));
  CHECK_FALSE(facts.is_on("kvm_amd", "nested"));
  CHECK(facts.is_on("kvm_amd", "ciphertext_hiding_asids"));
  REQUIRE(facts.find("kvm_amd", "sev") != nullptr);
  CHECK_FALSE(facts.find("kvm_amd", "sev")->value.has_value());
  CHECK_FALSE(facts.is_on("kvm_amd", "sev"));
  CHECK_EQ(facts.find("kvm_intel", "nested"), nullptr);

  tree.write("/proc/cpuinfo", "processor\t: 0\nhart\t\t: 0\nisa\t\t: rv64imafdcv_zba_zbb\n");
  const auto riscv = hv::host::read_cpu_facts(tree.root());
  for (const auto* const extension : {"v", "c", "zba", "zbb"}) CHECK(riscv.has_flag(extension));
  CHECK_FALSE(riscv.has_flag("h"));
}
