// SPDX-License-Identifier: MIT
//
// feature × QEMU × host, one table an architecture: tests/golden/features-<arch>.txt
// holds what each adds to the plan, or why there is none. HVLAUNCH_ACCEPT=1 writes them.
#include "golden.h"
#include "launcher/plan/host_record.h"
#include "profiles/source.h"

#include <doctest/doctest.h>
#include <boost/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace {

namespace json = boost::json;

struct Feature {
  const char* name;
  const char* members;  ///< Of the profile.
};

struct Table {
  const char* arch;
  std::vector<const char*> hosts;  ///< Of tests/hosts/cpus; "tcg": any host, without KVM.
  std::vector<Feature> features;
};

const std::vector<Table>& tables() {
  static const std::vector<Table> all = {
      {"x86_64",
       {"tcg", "intel-new", "intel-old", "amd-snp", "amd-old"},
       {{"shstk", R"("cpu_features": {"shstk": true})"},
        {"shstk, preferred", R"("cpu_features": {"shstk": "prefer"})"},
        {"shstk, off", R"("cpu_features": {"shstk": false})"},
        {"ibt", R"("cpu_features": {"ibt": true})"},
        {"fred", R"("cpu_features": {"fred": true})"},
        {"zhaoxin_centaur_leaves", R"("cpu_features": {"zhaoxin_centaur_leaves": true})"},
        {"nested", R"("cpu_features": {"nested": true})"},
        {"nested, off", R"("cpu_features": {"nested": false})"},
        {"avic", R"("cpu_features": {"avic": true})"},
        {"avic, preferred, with hyperv", R"("cpu_features": {"avic": "prefer", "hyperv": true})"},
        {"secure_tsc", R"("cpu_features": {"secure_tsc": true, "sev_snp": true})"},
        {"secure_avic", R"("cpu_features": {"secure_avic": true, "sev_snp": true})"},
        {"ciphertext_hiding", R"("cpu_features": {"ciphertext_hiding": true, "sev_snp": true})"},
        {"hyperv", R"("cpu_features": {"hyperv": true})"},
        {"hyperv, preferred", R"("cpu_features": {"hyperv": "prefer"})"},
        {"hyperv but stimer", R"("cpu_features": {"hyperv": {"enable": true, "stimer": false}})"},
        {"hyperv.relaxed", R"("cpu_features": {"hyperv": {"relaxed": true}})"},
        {"hyperv.vapic", R"("cpu_features": {"hyperv": {"vapic": true}})"},
        {"hyperv.spinlocks", R"("cpu_features": {"hyperv": {"spinlocks": true}})"},
        {"hyperv.vpindex", R"("cpu_features": {"hyperv": {"vpindex": true}})"},
        {"hyperv.runtime", R"("cpu_features": {"hyperv": {"runtime": true}})"},
        {"hyperv.crash", R"("cpu_features": {"hyperv": {"crash": true}})"},
        {"hyperv.time", R"("cpu_features": {"hyperv": {"time": true}})"},
        {"hyperv.synic", R"("cpu_features": {"hyperv": {"synic": true}})"},
        {"hyperv.stimer", R"("cpu_features": {"hyperv": {"stimer": true}})"},
        {"hyperv.stimer_direct", R"("cpu_features": {"hyperv": {"stimer_direct": true}})"},
        {"hyperv.frequencies", R"("cpu_features": {"hyperv": {"frequencies": true}})"},
        {"hyperv.reenlightenment", R"("cpu_features": {"hyperv": {"reenlightenment": true}})"},
        {"hyperv.tlbflush", R"("cpu_features": {"hyperv": {"tlbflush": true}})"},
        {"hyperv.tlbflush_ext", R"("cpu_features": {"hyperv": {"tlbflush_ext": true}})"},
        {"hyperv.tlbflush_direct", R"("cpu_features": {"hyperv": {"tlbflush_direct": true}})"},
        {"hyperv.ipi", R"("cpu_features": {"hyperv": {"ipi": true}})"},
        {"hyperv.evmcs", R"("cpu_features": {"hyperv": {"evmcs": true}})"},
        {"hyperv.emsr_bitmap", R"("cpu_features": {"hyperv": {"emsr_bitmap": true}})"},
        {"hyperv.xmm_input", R"("cpu_features": {"hyperv": {"xmm_input": true}})"},
        {"hyperv.avic", R"("cpu_features": {"hyperv": {"avic": true}})"},
        {"hyperv.apicv", R"("cpu_features": {"hyperv": {"apicv": true}})"},
        {"hyperv.syndbg", R"("cpu_features": {"hyperv": {"syndbg": true}})"},
        {"hyperv.reset", R"("cpu_features": {"hyperv": {"reset": true}})"},
        {"hyperv.passthrough", R"("cpu_features": {"hyperv": {"passthrough": true}})"},
        {"properties", R"("cpu_features": {"properties": {"pcid": false, "phys-bits": 40}})"},
        {"properties, unknown", R"("cpu_features": {"properties": {"pcidd": true}})"},
        {"guest_memfd", R"("memory_options": {"guest_memfd": true})"},
        {"guest_memfd, preferred", R"("memory_options": {"guest_memfd": "prefer"})"},
        {"sve", R"("cpu_features": {"sve": true})"},
        {"extensions.v", R"("cpu_features": {"extensions": {"v": true}})"}}},
      {"aarch64",
       {"tcg", "arm-new", "arm-old"},
       {{"sve", R"("cpu_features": {"sve": true})"},
        {"sve, preferred", R"("cpu_features": {"sve": "prefer"})"},
        {"sve, off", R"("cpu_features": {"sve": false})"},
        {"sme", R"("cpu_features": {"sme": true})"},
        {"pauth", R"("cpu_features": {"pauth": true})"},
        {"pauth, off", R"("cpu_features": {"pauth": false})"},
        {"mte", R"("cpu_features": {"mte": true})"},
        {"nested", R"("cpu_features": {"nested": true})"},
        {"properties", R"("cpu_features": {"properties": {"pmu": false, "sve128": true}})"},
        {"guest_memfd", R"("memory_options": {"guest_memfd": true})"},
        {"shstk", R"("cpu_features": {"shstk": true})"},
        {"hyperv", R"("cpu_features": {"hyperv": true})"},
        {"extensions.v", R"("cpu_features": {"extensions": {"v": true}})"}}},
      {"riscv64",
       {"tcg", "riscv-new", "riscv-old"},
       {{"nested", R"("cpu_features": {"nested": true})"},
        {"nested, off", R"("cpu_features": {"nested": false})"},
        {"extensions.v", R"("cpu_features": {"extensions": {"v": true}})"},
        {"extensions.v, preferred", R"("cpu_features": {"extensions": {"v": "prefer"}})"},
        {"extensions.v, off", R"("cpu_features": {"extensions": {"v": false}})"},
        {"extensions.zba, zbb", R"("cpu_features": {"extensions": {"zba": true, "zbb": true}})"},
        {"extensions.svpbmt", R"("cpu_features": {"extensions": {"svpbmt": true}})"},
        {"extensions.zicond", R"("cpu_features": {"extensions": {"zicond": true}})"},
        {"extensions.xyz", R"("cpu_features": {"extensions": {"xyz": true}})"},
        {"guest_memfd", R"("memory_options": {"guest_memfd": true})"},
        {"sve", R"("cpu_features": {"sve": true})"},
        {"avic", R"("cpu_features": {"avic": true})"}}},
      {"loongarch64",
       {"tcg", "loongarch-new", "loongarch-old"},
       {{"properties", R"("cpu_features": {"properties": {"lasx": false}})"},
        {"properties, unknown", R"("cpu_features": {"properties": {"laxs": true}})"},
        {"guest_memfd", R"("memory_options": {"guest_memfd": true})"},
        {"nested", R"("cpu_features": {"nested": true})"},
        {"mte", R"("cpu_features": {"mte": true})"},
        {"fred", R"("cpu_features": {"fred": true})"}}}};
  return all;
}

/// A plan for that QEMU on that host, with those members in the profile.
std::expected<hv::plan::Plan, hv::Errors> planned(const Table& table, const std::string& version,
                                                  const std::string& host,
                                                  const std::string& members) {
  auto golden = feature_case(table.arch, version, host);
  golden.source.text =
      fmt::format(R"({{"name": "web", "arch": "{}", "memory_mb": 1024, "display": "none"{}{}}})",
                  table.arch, members.empty() ? "" : ", ", members);
  return plan_of(golden);
}

std::vector<std::string> words_of(const hv::plan::Plan& plan) {
  std::vector<std::string> words;
  for (const auto& [option, value, cause] : plan.arguments) words.push_back(option + " " + value);
  return words;
}

/// What the feature changes in the plan, or why there is none.
std::string cell(const std::expected<hv::plan::Plan, hv::Errors>& with,
                 const std::vector<std::string>& usual) {
  if (!with) {
    std::string text;
    for (const auto& error : with.error())
      text += fmt::format("{}{}: {}", text.empty() ? "" : " | ", error.id, error.message);
    return text;
  }
  std::string text;
  for (const auto& word : words_of(*with))
    if (std::ranges::find(usual, word) == usual.end())
      text += (text.empty() ? "" : " ") + word;
  if (text.empty()) text = "(the same)";
  for (const auto& [name, state, detail, pointer] : with->features)
    text += fmt::format("  [{} {}{}{}]", name, state, detail.empty() ? "" : ": ", detail);
  return text;
}

/// For tests/integration/test_cpu_features.py: what real QEMUs are to be asked.
void write_asked(json::array& all, const Table& table, const std::string& version,
                 const std::string& host, const Feature& feature, const hv::plan::Plan& plan) {
  json::array arguments;
  for (const auto& [option, value, cause] : plan.arguments)
    if (option == "-machine" || option == "-cpu" || option == "-global")
      for (const auto& word : {option, value}) arguments.emplace_back(word);
  all.push_back(json::object{{"qemu", version},
                             {"architecture", table.arch},
                             {"host", host},
                             {"feature", feature.name},
                             {"arguments", std::move(arguments)}});
}

}  // namespace

TEST_CASE("golden plans of features on each QEMU and host") {
  const char* const asked = std::getenv("HVLAUNCH_FEATURES_ARGV");
  json::array all;
  for (const auto& table : tables()) {
    std::string text = fmt::format(
        "What each feature adds to the plan of a {} guest, or the error: made by "
        "features_matrix_test.cpp.\n",
        table.arch);
    for (const auto& feature : table.features) {
      text += fmt::format("\n{}: {}\n", feature.name, feature.members);
      for (const auto* const version : {"7.2", "10.0", "11.1"})
        for (const auto* const host : table.hosts) {
          CAPTURE(feature.name);
          CAPTURE(version);
          CAPTURE(host);
          const auto usual = planned(table, version, host, "");
          REQUIRE_MESSAGE(usual.has_value(), usual.error().front().message);
          const auto with = planned(table, version, host, feature.members);
          const auto outcome = cell(with, words_of(*usual));
          CHECK_FALSE(outcome.empty());
          text += fmt::format("  {:<5} {:<14} {}\n", version, host, outcome);
          if (with && asked != nullptr) write_asked(all, table, version, host, feature, *with);
        }
    }
    const auto file = fmt::format(TESTS_DIR "/golden/features-{}.txt", table.arch);
    if (std::getenv("HVLAUNCH_ACCEPT") != nullptr) std::ofstream(file) << text;
    CHECK_EQ(text, slurp(file));
  }
  if (asked != nullptr) std::ofstream(asked) << json::serialize(all);
}
