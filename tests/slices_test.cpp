// SPDX-License-Identifier: MIT
#include "launcher/run/slices.h"
#include "launcher/plan/plan.h"
#include "launcher/run/claims.h"
#include "launcher/run/prepare.h"
#include "tests/golden.h"
#include "tests/run_place.h"

#include <doctest/doctest.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <cstring>

using hv::vfio::PciAddress;

namespace {

constexpr PciAddress vf0{.bus = 0x66, .device = 1};
constexpr PciAddress vf1{.bus = 0x66, .device = 1, .function = 1};
constexpr PciAddress card{.bus = 0x66};

/// The plan of a profile with one virtual function of the card above, on a host
/// where it has two.
class OneVf {
 public:
  std::vector<hv::plan::Claims> claims;
  std::vector<PciAddress> had, made_vfs;
  GoldenCase golden = golden_case("x86_64-vf-there");

  [[nodiscard]] std::expected<hv::plan::Plan, hv::Errors> plan() const {
    const auto profile = hv::profiles::parse_profile(golden.source).value();
    auto machine = hv::plan::resolve({.profile = profile,
                                      .qemu = golden.qemu,
                                      .firmware = golden.firmware,
                                      .host = golden.host,
                                      .paths = golden.paths,
                                      .config = golden.config,
                                      .record = golden.record,
                                      .claims = claims,
                                      .had = had,
                                      .made_vfs = made_vfs});
    if (!machine) return std::unexpected(std::move(machine).error());
    return hv::plan::make_plan(*machine);
  }
};

template <class Action>
const Action* action_in(const hv::plan::Plan& plan) {
  for (const auto& step : plan.steps)
    if (const auto* const found = std::get_if<Action>(&step.action)) return found;
  return nullptr;
}

/// An attribute of the kernel's answer, whose value is a structure or others.
std::string attribute(std::uint16_t type, const std::string& value) {
  const rtattr head{.rta_len = static_cast<std::uint16_t>(RTA_LENGTH(value.size())),
                    .rta_type = type};
  std::string text(RTA_SPACE(value.size()), '\0');
  std::memcpy(text.data(), &head, sizeof head);
  std::memcpy(text.data() + sizeof head, value.data(), value.size());
  return text;
}

template <class T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string vf_info(std::uint32_t index, std::uint8_t last, std::uint32_t vlan) {
  ifla_vf_mac mac{.vf = index, .mac = {0x52, 0x54, 0, 0x12, 0x34, last}};
  ifla_vf_vlan tag{.vf = index, .vlan = vlan, .qos = 0};
  return attribute(IFLA_VF_INFO,
                   attribute(IFLA_VF_MAC, bytes_of(mac)) + attribute(IFLA_VF_VLAN, bytes_of(tag)));
}

std::string answer() {
  nlmsghdr head{};
  head.nlmsg_type = RTM_NEWLINK;
  return bytes_of(head) + std::string(sizeof(ifinfomsg), '\0') + attribute(IFLA_IFNAME, "eth7") +
         attribute(IFLA_VFINFO_LIST | NLA_F_NESTED, vf_info(0, 0xaa, 0) + vf_info(1, 0xbb, 100));
}

}  // namespace

TEST_CASE("a guest gets a virtual function that no other has") {
  OneVf one;
  CHECK_EQ(one.plan()->claims.functions, std::vector{vf1});  // It has no driver.
  CHECK_EQ(one.plan()->claims.macs, std::vector<std::string>{"52:54:00:12:34:56"});
  one.claims = {{.guest = "other", .functions = {vf1}}};
  CHECK_EQ(one.plan()->claims.functions, std::vector{vf0});
  one.claims.push_back({.guest = "third", .functions = {vf0}});
  CHECK_EQ(one.plan().error().front().id, "no-free-vf");
  one.claims = {{.guest = "other", .functions = {card}}};
  CHECK_EQ(one.plan().error().front().id, "claimed");
}

TEST_CASE("a card that cannot be asked or set is an error of the plan") {
  OneVf one;
  auto& physical = one.golden.host.physical_functions.at(0);
  physical.vfs.clear();
  CHECK_EQ(one.plan()->claims.functions, std::vector{vf0});
  physical.offset = 0;
  CHECK_EQ(one.plan().error().front().id, "no-vf-address");
  one.golden.host.devices.iommu = false;
  physical.offset = 8;
  CHECK_EQ(one.plan().error().front().id, "no-iommu");
  physical.network_interface.clear();
  CHECK_EQ(one.plan().error().front().id, "no-vf-network");
}

TEST_CASE("a guest gets the virtual function again that it had") {
  OneVf one;
  one.had = {vf0};
  CHECK_EQ(one.plan()->claims.functions, std::vector{vf0});
}

TEST_CASE("a guest that shares virtual functions with another may have to destroy them") {
  OneVf one;
  CHECK_EQ(action_in<hv::plan::MakeVirtualFunctions>(*one.plan()), nullptr);
  one.made_vfs = {card};
  const auto plan = one.plan();
  const auto* const make = action_in<hv::plan::MakeVirtualFunctions>(*plan);
  REQUIRE_NE(make, nullptr);
  CHECK(make->there);
  CHECK_EQ(make->count, 2);
  // What is set is set before it is bound, and taken back after it is returned.
  const auto last = plan->steps.size() - 1;
  REQUIRE_GE(last, 2);
  CHECK(std::holds_alternative<hv::plan::MakeVirtualFunctions>(plan->steps[last - 2].action));
  CHECK(std::holds_alternative<hv::plan::SetVirtualFunction>(plan->steps[last - 1].action));
  CHECK(std::holds_alternative<hv::plan::BindFunction>(plan->steps[last].action));
}

TEST_CASE("the cards with virtual functions of ours are those in journals") {
  const RunPlace there;
  const auto place = there.place();
  there.put("lock", "");
  CHECK(hv::run::cards_with_made_vfs(place).empty());
  {
    auto journal = hv::Journal::open(place.root, place.file("journal"), hv::run::undo).value();
    REQUIRE(journal.record({.kind = hv::Undo::Kind::remove_file, .path = "/x"}).has_value());
    REQUIRE(journal.record({.kind = hv::Undo::Kind::remove_vfs, .path = to_string(card)}));
    journal.keep();
  }
  CHECK_EQ(hv::run::cards_with_made_vfs(place), std::vector{card});
}

TEST_CASE("what a virtual function had is read from the kernel's answer") {
  const auto text = answer();
  const auto bytes = std::as_bytes(std::span(text));
  CHECK_EQ(hv::vfio::parse_vf_network(bytes, 0).mac, "52:54:00:12:34:aa");
  CHECK_EQ(hv::vfio::parse_vf_network(bytes, 0).vlan, 0);
  CHECK_EQ(hv::vfio::parse_vf_network(bytes, 1).mac, "52:54:00:12:34:bb");
  CHECK_EQ(hv::vfio::parse_vf_network(bytes, 1).vlan, 100);
  CHECK(hv::vfio::parse_vf_network(bytes, 2).mac.empty());
  for (std::size_t size = 0; size < bytes.size(); ++size)  // Cut short, it is no crash.
    (void)hv::vfio::parse_vf_network(
        std::vector(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)), 1);
  CHECK_FALSE(hv::vfio::read_vf_network("no-such-interface", 0).has_value());
}

TEST_CASE("what a virtual function had is given back only while it is there") {
  const RunPlace there;
  const auto& root = there.root;
  const auto entry = [](std::string value) {
    return hv::Undo{.kind = hv::Undo::Kind::set_vf, .path = "eth7", .value = std::move(value)};
  };
  CHECK(hv::run::set_vf_back(root, entry("0 52:54:00:12:34:56 -")).has_value());
  CHECK_EQ(hv::run::set_vf_back(root, entry("x 52:54:00:12:34:56 -")).error().id,
           "damaged-journal");
  CHECK_EQ(hv::run::set_vf_back(root, entry("0")).error().id, "damaged-journal");
}
