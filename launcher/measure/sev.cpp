// SPDX-License-Identifier: MIT
#include "launcher/measure/launch.h"

#include <algorithm>

namespace hv::measure {
namespace {

constexpr std::string_view table_guid{
    "\x06\xd6\x38\x94\x22\x4f\xc9\x4c\xb4\x79\xa7\x93\xd4\x11\xfd\x21", 16};
constexpr std::string_view command_line_guid{
    "\xd8\x2d\xd0\x97\x20\xbd\x94\x4c\xaa\x78\xe7\x71\x4d\x36\xab\x2a", 16};
constexpr std::string_view initrd_guid{
    "\x31\xf7\xba\x44\x2f\x3a\xd7\x4b\x9a\xf1\x41\xe2\x91\x69\x78\x1d", 16};
constexpr std::string_view kernel_guid{
    "\x37\x94\xe7\x4d\xd2\xab\x7f\x42\xb8\x35\xd5\xb1\x72\xd2\x04\x5b", 16};

std::string little_endian(std::uint64_t value, std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

std::string with_head(std::string_view guid, std::string_view content) {
  const auto size = guid.size() + 2 + content.size();
  return std::string(guid) + little_endian(size, 2) + std::string(content);
}

std::unexpected<Error> no_hashes_in(std::string_view technology) {
  return std::unexpected(
      with_hint({.fault = Fault::missing,
                 .id = "firmware-without-kernel-hashes",
                 .message = fmt::format(
                     "the firmware has no place for the hashes of a kernel under {}", technology)},
                "use OVMF's AmdSev build (OVMF.amdsev.fd), or boot from the disk"));
}

Result<> check_table(const Launch& launch) {
  if (!launch.kernel) return {};
  if (!launch.image.hashes_address) return no_hashes_in("SEV");
  return {};
}

/// Where the others begin, which firmware without SEV-ES does not say.
Result<VcpuState> other_vcpu(const Launch& launch) {
  auto state = launch.vcpus.state;
  if (!launch.image.reset_address)
    return std::unexpected(
        with_hint({.fault = Fault::missing,
                   .id = "firmware-without-reset-address",
                   .message = "the firmware does not say where vCPUs but the first begin"},
                  "use firmware that is made for SEV-ES, or one vCPU"));
  state.start = *launch.image.reset_address;
  return state;
}

/// The page that each vCPU begins with.
Result<std::vector<std::string>> vmsa_pages(const Launch& launch) {
  std::vector<std::string> pages{vmsa_page(launch.vcpus.state)};
  if (launch.vcpus.count < 2) return pages;
  const auto other = TRY(other_vcpu(launch));
  pages.resize(launch.vcpus.count, vmsa_page(other));
  return pages;
}

/// GCTX.LD of a SEV-SNP guest: each page's hash goes into the next.
class SnpContext {
 public:
  enum class Page : std::uint8_t { normal = 1, vmsa = 2, zero = 3, secrets = 5, cpuid = 6 };

  explicit SnpContext(const std::optional<Sha384>& start) : digest_(start.value_or(Sha384{})) {}

  /// PAGE_INFO of 56860, without permissions for other privilege levels.
  void add(Page page, std::uint64_t address, const Sha384& contents = {}) {
    std::string info(bytes_of(digest_));
    info += bytes_of(contents);
    info += little_endian(0x70, 2);  // Its own size.
    info += little_endian(static_cast<std::uint64_t>(page), 6);
    info += little_endian(address, 8);
    digest_ = sha384(info);
  }

  void add_bytes(std::uint64_t address, std::string_view bytes) {
    for (; !bytes.empty(); address += page_size) {
      add(Page::normal, address, sha384(bytes.substr(0, page_size)));
      bytes.remove_prefix(std::min<std::size_t>(page_size, bytes.size()));
    }
  }

  void add_pages(Page page, std::uint64_t address, std::uint64_t size) {
    for (std::uint64_t offset = 0; offset < size; offset += page_size) add(page, address + offset);
  }

  [[nodiscard]] const Sha384& digest() const { return digest_; }

 private:
  Sha384 digest_;
};

/// A page of zeroes but for the table, where the image says.
Result<std::string> hashes_page(const Launch& launch, const SnpSection& section) {
  const auto table = hashes_table(*launch.kernel);
  const auto address = launch.image.hashes_address.value_or(0);
  std::string page(section.size, '\0');
  const std::size_t offset = address % page_size;
  if (address < section.address || offset + table.size() > page.size())
    return no_hashes_in("SEV-SNP");
  std::ranges::copy(table, page.begin() + static_cast<std::ptrdiff_t>(offset));
  return page;
}

Result<> add_section(const Launch& launch, const SnpSection& section, SnpContext& context) {
  using enum SnpSection::Kind;
  using Page = SnpContext::Page;
  const auto& [kind, address, size] = section;
  switch (kind) {
    case zeroes:
    case calling_area: context.add_pages(Page::zero, address, size); break;
    case secrets: context.add_pages(Page::secrets, address, size); break;
    case cpuid: context.add_pages(Page::cpuid, address, size); break;
    case kernel_hashes:
      if (launch.kernel)
        context.add_bytes(address, TRY(hashes_page(launch, section)));
      else
        context.add_pages(Page::zero, address, size);
      break;
  }
  return {};
}

}  // namespace

std::string hashes_table(const KernelHashes& hashes) {
  const auto& [kernel, initrd, command_line] = hashes;
  auto table = with_head(table_guid, with_head(command_line_guid, bytes_of(command_line)) +
                                         with_head(initrd_guid, bytes_of(initrd)) +
                                         with_head(kernel_guid, bytes_of(kernel)));
  table.resize((table.size() + 15) & ~std::size_t{15});  // The processor encrypts 16 bytes at once.
  return table;
}

Result<Sha256> sev_digest(const Launch& launch) {
  TRY(check_table(launch));
  Sha256Hasher hasher;
  hasher.add(launch.image.bytes);
  if (launch.kernel) hasher.add(hashes_table(*launch.kernel));
  return hasher.finish();
}

Result<Sha256> sev_es_digest(const Launch& launch) {
  TRY(check_table(launch));
  Sha256Hasher hasher;
  hasher.add(launch.image.bytes);
  if (launch.kernel) hasher.add(hashes_table(*launch.kernel));
  const auto pages = TRY(vmsa_pages(launch));
  for (const auto& page : pages) hasher.add(page);
  return hasher.finish();
}

Result<Sha384> snp_digest(const Launch& launch) {
  const auto& image = launch.image;
  if (image.snp.empty() || image.bytes.size() % page_size != 0)
    return std::unexpected(
        with_hint({.fault = Fault::missing,
                   .id = "firmware-without-snp",
                   .message = "the firmware says nothing of SEV-SNP's secrets and CPUID pages"},
                  "use OVMF of 2022 or later: its AmdSev build, or OvmfPkgX64 as one file"));
  const auto is_for_hashes = [](const SnpSection& section) {
    return section.kind == SnpSection::Kind::kernel_hashes;
  };
  if (launch.kernel && std::ranges::none_of(image.snp, is_for_hashes))
    return no_hashes_in("SEV-SNP");
  SnpContext context(launch.image_digest);
  if (!launch.image_digest) context.add_bytes(image.address(), image.bytes);
  for (const auto& section : image.snp) TRY(add_section(launch, section, context));
  // A page without a place in the guest: its address is the highest.
  constexpr std::uint64_t nowhere = 0xfffffffff000;
  const auto pages = TRY(vmsa_pages(launch));
  for (const auto& page : pages) context.add(SnpContext::Page::vmsa, nowhere, sha384(page));
  return context.digest();
}

}  // namespace hv::measure
