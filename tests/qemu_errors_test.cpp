// SPDX-License-Identifier: MIT
#include "launcher/run/qemu_errors.h"

#include <doctest/doctest.h>

#include <algorithm>

TEST_CASE("what QEMU says when it dies has an id and a cure") {
  struct Row {
    std::string_view log;
    std::string_view id;
    hv::Fault fault;
  };
  using hv::Fault;
  constexpr Row rows[] = {
      {"/q: -blockdev x: Failed to get \"write\" lock\nIs another process using the image?",
       "disk-in-use", Fault::state},
      {"/q: Failed to get shared \"write\" lock", "disk-in-use", Fault::state},
      {"Could not access KVM kernel module: Permission denied", "no-kvm", Fault::permission},
      {"/q: -accel kvm: vm-type SEV-SNP not supported by KVM", "no-confidential-host",
       Fault::missing},
      {"/q: -accel kvm: sev_kvm_init: cbitpos check failed, host '47' requested '51'",
       "no-confidential-host", Fault::missing},
      {"/q: unable to map backing store for guest RAM: Cannot allocate memory", "no-hugepages",
       Fault::missing},
      {"/q: cannot set up guest memory 'ram': Cannot allocate memory", "no-memory", Fault::missing},
      {"/q: Could not open '/d': Permission denied", "permission", Fault::permission},
      {"/q: 'foo' is not a valid device model name", "no-device", Fault::missing},
      {"/q: something new", "qemu-died", Fault::failed},
      {"", "qemu-died", Fault::failed},
  };
  hv::plan::Plan plan;
  plan.vm = "web";
  plan.binary = "/q";
  for (const auto& [log, id, fault] : rows) {
    CAPTURE(std::string(log));
    const auto error = hv::run::explain_qemu(log, "ended with status 1", plan);
    CHECK_EQ(error.id, id);
    CHECK_EQ(error.fault, fault);
    CHECK_FALSE(error.hint.empty());
    CHECK(error.message.starts_with("QEMU ended with status 1 instead of starting"));
  }
  CHECK_EQ(hv::run::explain_qemu("/q: one\n\n2026 /q: two\n", "ended", plan).message,
           "QEMU ended instead of starting:\n  one\n  two");
  CHECK(hv::run::explain_qemu("", "ended", plan).message.ends_with("without a word"));
  plan.descriptors = {{1, hv::plan::Handle::file, "/one", {}},
                      {12, hv::plan::Handle::writable_file, "/twelve", {}}};
  CHECK_EQ(hv::run::explain_qemu("'/dev/fdset/12' is no '/dev/fdset/1'", "ended", plan).message,
           "QEMU ended instead of starting:\n  '/twelve' is no '/one'");
}

TEST_CASE("a QEMU that floods its log is quoted in its last words") {
  std::string log;
  for (int i = 0; i < 1000; ++i) log += fmt::format("line {}\n", i);
  const auto message = hv::run::explain_qemu(log, "ended", {}).message;
  CHECK(message.ends_with("line 999"));
  CHECK_LT(std::ranges::count(message, '\n'), 25);
}
