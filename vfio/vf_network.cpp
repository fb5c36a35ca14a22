// SPDX-License-Identifier: MIT
#include "vfio/sriov.h"

#include "launcher/base/unique_fd.h"

#include <fmt/ranges.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace hv::vfio {
namespace {

using Bytes = std::span<const std::byte>;

/// A copy: the kernel aligns its structures to 4 bytes only.
template <class T>
T copy_of(Bytes bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), std::min(sizeof value, bytes.size()));
  return value;
}

struct Attribute {
  std::uint16_t type;
  Bytes value;
};

/// Takes the first attribute off `bytes`; nothing if none is whole.
std::optional<Attribute> take_attribute(Bytes& bytes) {
  if (bytes.size() < sizeof(rtattr)) return std::nullopt;
  const auto head = copy_of<rtattr>(bytes);
  if (head.rta_len < sizeof(rtattr) || head.rta_len > bytes.size()) return std::nullopt;
  const auto value = bytes.subspan(sizeof(rtattr), head.rta_len - sizeof(rtattr));
  bytes = bytes.subspan(std::min<std::size_t>(RTA_ALIGN(head.rta_len), bytes.size()));
  return Attribute{static_cast<std::uint16_t>(head.rta_type & NLA_TYPE_MASK), value};
}

/// What one function's IFLA_VF_INFO says, if it is that of `index`.
std::optional<VfNetwork> network_in(Bytes info, std::uint64_t index) {
  VfNetwork network;
  bool is_it = false;
  while (const auto attribute = take_attribute(info)) {
    if (attribute->type == IFLA_VF_MAC) {
      const auto said = copy_of<ifla_vf_mac>(attribute->value);
      is_it = said.vf == index;
      network.mac = fmt::format("{:02x}", fmt::join(said.mac, said.mac + 6, ":"));
    }
    if (attribute->type == IFLA_VF_VLAN)
      network.vlan = static_cast<std::uint16_t>(copy_of<ifla_vf_vlan>(attribute->value).vlan);
  }
  return is_it ? std::optional(network) : std::nullopt;
}

struct Question {
  nlmsghdr head;
  ifinfomsg link;
  rtattr attribute;
  std::uint32_t mask;
};

/// The kernel's answer about one interface, with its virtual functions.
Result<std::vector<std::byte>> ask(const std::string& network_interface) {
  const auto number = ::if_nametoindex(network_interface.c_str());
  if (number == 0) return fail_errno("find the interface {}", network_interface);
  const UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket) return fail_errno("make a netlink socket");
  Question question{};
  question.head.nlmsg_len = sizeof question;
  question.head.nlmsg_type = RTM_GETLINK;
  question.head.nlmsg_flags = NLM_F_REQUEST;
  question.link.ifi_index = static_cast<int>(number);
  question.attribute.rta_len = RTA_LENGTH(sizeof question.mask);
  question.attribute.rta_type = IFLA_EXT_MASK;
  question.mask = RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS;
  if (::send(socket.get(), &question, sizeof question, 0) < 0)
    return fail_errno("ask for {}'s virtual functions", network_interface);
  // Some hundred bytes for each function, and there can be hundreds.
  std::vector<std::byte> answer(std::size_t{1} << 20U);
  const auto size = ::recv(socket.get(), answer.data(), answer.size(), 0);
  if (size < 0) return fail_errno("ask for {}'s virtual functions", network_interface);
  answer.resize(static_cast<std::size_t>(size));
  return answer;
}

}  // namespace

VfNetwork parse_vf_network(Bytes answer, std::uint64_t index) {
  constexpr auto before = NLMSG_LENGTH(NLMSG_ALIGN(sizeof(ifinfomsg)));
  if (answer.size() < before || copy_of<nlmsghdr>(answer).nlmsg_type != RTM_NEWLINK) return {};
  auto attributes = answer.subspan(before);
  while (auto list = take_attribute(attributes)) {
    if (list->type != IFLA_VFINFO_LIST) continue;
    while (const auto info = take_attribute(list->value))
      if (auto network = network_in(info->value, index)) return *std::move(network);
  }
  return {};
}

Result<VfNetwork> read_vf_network(const std::string& network_interface, std::uint64_t index) {
  return parse_vf_network(TRY(ask(network_interface)), index);
}

}  // namespace hv::vfio
