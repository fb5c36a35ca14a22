// SPDX-License-Identifier: MIT
#include "launcher/measure/launch.h"

#include "tests/firmware_image.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace {

namespace measure = hv::measure;
using measure::hex;

constexpr std::uint32_t epyc = 0x00800f12;

/// Of a kernel, an initrd and a command line that are as in the vectors: empty
/// files, and what is given.
measure::KernelHashes hashes(std::string_view command_line) {
  return {.kernel = measure::sha256(""),
          .initrd = measure::sha256(""),
          .command_line = measure::sha256(std::string(command_line) + '\0')};
}

measure::Vcpus vcpus(std::uint64_t count, std::uint64_t features) {
  return {.count = count, .state = {.signature = epyc, .features = features}};
}

template <class Digest>
std::string text(const hv::Result<Digest>& digest) {
  return digest ? hex(*digest) : digest.error().id;
}

TEST_CASE("the hashes are SHA-256 and SHA-384") {
  // FIPS 180-4's own example.
  CHECK_EQ(hex(measure::sha256("abc")),
           "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK_EQ(hex(measure::sha384("abc")),
           "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
           "8086072ba1e7cc2358baeca134c825a7");
}

TEST_CASE("a SEV-SNP measurement is the published one") {
  // The vectors of virtee/sev-snp-measure and virtee/sev for edk2's AmdSev build
  // of 2024-05. Of the image there is its digest, and where its sections are.
  constexpr std::string_view image_digest =
      "086e2e9149ebf45abdc3445fba5b2da8270bdbb04094d7a2c37faaa4b24af3aa"
      "16aff8c374c2a55c467a50da6d466b74";
  const auto bytes = tests::amd_sev_image();
  const auto image = measure::parse_image(bytes);
  REQUIRE(image);
  struct Row {
    std::uint64_t count;
    std::uint64_t features;
    const char* command_line;  // nullptr: no kernel.
    std::string_view expected;
  };
  constexpr Row rows[] = {
      {1, 0x21, "",
       "329c8ce0972ae52343b64d34a434a86f245dfd74f5ed7aae"
       "15d22efc78fb9683632b9b50e4e1d7fa41179ef98a7ef198"},
      {1, 0x1, "",
       "ddc5224521617a536ee7ce9dd6224d1b58a8d4fda1c741f3"
       "ac99fc4bfa04ba6e9fc98646d4a07a9079397fa3852819b5"},
      {1, 0x21, "console=ttyS0 loglevel=7",
       "803f691094946e42068aaa3a8f9e26a5c89f36f7b73ecfb2"
       "8c653360fe4b3aba7e534442e7e1e17895dfe778d0228977"},
      {1, 0x1, "console=ttyS0 loglevel=7",
       "6d287813eb5222d770f75005c664e34c204f385ce832cc2c"
       "e7d0d6f354454362f390ef83a92046c042e706363b4b08fa"},
      {1, 0x21, nullptr,
       "e1e1ca029dd7973ab9513295be68198472dcd4fc834bd9af"
       "9b63f6e8a1674dbf281a9278a4a2ebe0eed9f22adbcd0e2b"},
      {1, 0x1, nullptr,
       "19358ba9a7615534a9a1e2f0dfc29384dcd4dcb7062ff9c6"
       "013b26869a5fc6ecabe033c48dd6f6db5d6d76e7c5df632d"},
      {4, 0x21, "",
       "4953b1fb416fa874980e8442b3706d345926d5f38879134e"
       "00813c5d7abcbe78eafe7b422907be0b4698e2414a631942"},
      {4, 0x1, "",
       "5061fffb019493a903613d56d54b94912a1a2f9e4502385f"
       "5c194616753720a92441310ba6c4933de877c36e23046ad5"},
  };
  for (const auto& [count, features, command_line, expected] : rows) {
    CAPTURE(count);
    CAPTURE(features);
    measure::Launch launch{.image = *image,
                           .vcpus = vcpus(count, features),
                           .image_digest = tests::digest_of_hex<measure::Sha384>(image_digest)};
    if (command_line != nullptr) launch.kernel = hashes(command_line);
    CHECK_EQ(text(measure::snp_digest(launch)), expected);
  }
}

/// The published images themselves are no part of this project: 4 KiB files
/// ovmf_AmdSev_suffix.bin and ovmf_OvmfX64_suffix.bin of virtee/sev-snp-measure,
/// tests/fixtures, in a folder that the variable names.
TEST_CASE("published images have the published measurements" *
          doctest::description("the images are others', and not in the repository") *
          doctest::skip(std::getenv("HVLAUNCH_SEV_FIXTURES") == nullptr)) {
  const char* const folder = std::getenv("HVLAUNCH_SEV_FIXTURES");
  const auto read = [&](const char* name) {
    std::ifstream file(std::string(folder) + "/" + name, std::ios::binary);
    return std::string(std::istreambuf_iterator(file), {});
  };
  const auto amd = read("ovmf_AmdSev_suffix.bin");
  const auto x64 = read("ovmf_OvmfX64_suffix.bin");
  const auto image = measure::parse_image(amd);
  const auto plain = measure::parse_image(x64);
  REQUIRE(image);
  REQUIRE(plain);

  CHECK_EQ(
      text(measure::sev_digest({.image = *image, .kernel = hashes("console=ttyS0 loglevel=7")})),
      "82a3ee5d537c3620628270c292ae30cb40c3c878666a7890ee7ef2a08fb535ff");
  CHECK_EQ(text(measure::sev_digest({.image = *image, .kernel = hashes("")})),
           "77f613d7bbcdf12a73782ea9e88b0172aeda50d1a54201cb903594ff52846898");
  CHECK_EQ(text(measure::sev_digest({.image = *plain})),
           "b4c021e085fb83ceffe6571a3d357b4a98773c83c474e47f76c876708fe316da");
  CHECK_EQ(text(measure::sev_digest({.image = *plain, .kernel = hashes("")})),
           "firmware-without-kernel-hashes");
  CHECK_EQ(
      text(measure::sev_es_digest({.image = *image, .kernel = hashes(""), .vcpus = vcpus(1, 0)})),
      "13810ae661ea11e2bb205621f582fee268f0367c8f97bc297b7fadef3e12002c");
  CHECK_EQ(
      text(measure::sev_es_digest({.image = *image, .kernel = hashes(""), .vcpus = vcpus(4, 0)})),
      "0dccbcaba8e90b261bd0d2e1863a2f9da714768b7b2a19363cd6ae35aa90de91");
  CHECK_EQ(
      text(measure::snp_digest({.image = *image, .kernel = hashes(""), .vcpus = vcpus(4, 0x21)})),
      "4953b1fb416fa874980e8442b3706d345926d5f38879134e"
      "00813c5d7abcbe78eafe7b422907be0b4698e2414a631942");
  CHECK_EQ(text(measure::snp_digest({.image = *plain, .vcpus = vcpus(1, 0x21)})),
           "28797ae0afaba4005a81e629acebfb59e6687949d6be4400"
           "7cd5506823b0dd66f146aaae26ff291eed7b493d8a64c385");
  CHECK_EQ(text(measure::snp_digest({.image = *plain, .vcpus = vcpus(1, 0x1)})),
           "da0296de8193586a5512078dcd719eccecbd87e2b825ad41"
           "48c44f665dc87df21e5b49e21523a9ad993afdb6a30b4005");
  CHECK_EQ(
      text(measure::snp_digest({.image = *plain, .kernel = hashes(""), .vcpus = vcpus(1, 0x21)})),
      "firmware-without-kernel-hashes");
}

/// The same, reckoned by virtee/sev-snp-measure 0.0.13 for SEV, and for TDX by
/// thirty lines of Python that follow the module's specification.
TEST_CASE("images of our own measure as another program says") {
  const auto bytes = tests::amd_sev_image(8192);
  const auto image = measure::parse_image(bytes);
  REQUIRE(image);
  measure::Launch launch{
      .image = *image,
      .kernel = measure::KernelHashes{.kernel = measure::sha256("a kernel"),
                                      .initrd = measure::sha256("an initrd"),
                                      .command_line = measure::sha256({"root=/dev/vda quiet", 20})},
      .vcpus = {.count = 3, .state = {.signature = 0x00a00f11}}};
  CHECK_EQ(text(measure::sev_digest(launch)),
           "d00e74b37187eae382f0a858e67f499052ba43092b873cf1db0f9c35425e95d4");
  CHECK_EQ(text(measure::sev_es_digest(launch)),
           "15558bf9f13b6eda8eabe34021338f74e13736d6e15e068dc5a29e6e2ce265d5");
  launch.vcpus.state.features = measure::snp_active;
  CHECK_EQ(text(measure::snp_digest(launch)),
           "ec6a760e80dff8e7b8021ad34599fbc09b20264317b5a3d0c0a965c6e10e8862"
           "b91ff5518a0db9e1fc836ebbc573b3f9");
  launch.kernel.reset();
  CHECK_EQ(text(measure::snp_digest(launch)),
           "acd9280da5298e6930eb0a815935e47da8b113ba47e10f5fcd5865205609e69c"
           "931f3485e2f12858fc50da226bc3836f");

  const auto tdx_bytes = tests::intel_tdx_image();
  const auto tdx = measure::parse_image(tdx_bytes);
  REQUIRE(tdx);
  CHECK_EQ(text(measure::tdx_digest(*tdx)),
           "90397de120d11de08094d0d50a08e5a7dd42682f10ac5f91fb62a84a7cdeb3fa"
           "50ded9646cb33494ce84ff7dbb3cd5fa");
}

TEST_CASE("the first interface to SEV-ES leaves the FPU out") {
  const measure::VcpuState state{.signature = epyc, .fpu = false};
  auto page = measure::vmsa_page(state);
  REQUIRE_EQ(page.size(), 4096);
  CHECK_EQ(page.substr(0x400, 24), std::string(24, '\0'));
  auto with = measure::vmsa_page({.signature = epyc});
  CHECK_EQ(with.substr(0x408, 4), std::string("\x80\x1f\0\0", 4));
  with.replace(0x408, 10, 10, '\0');
  CHECK_EQ(page, with);
}

TEST_CASE("a vCPU's signature follows from its model") {
  struct Row {
    const char* model;
    std::uint32_t expected;  // 0: not known.
  };
  constexpr Row rows[] = {
      {"EPYC", 0x00800f12},
      {"EPYC-v4", 0x00800f12},
      {"EPYC-IBPB", 0x00800f12},
      {"EPYC-Rome-v4", 0x00830f10},
      {"EPYC-Milan", 0x00a00f11},
      {"EPYC-Genoa-v2", 0x00a10f10},
      {"EPYC-Turin-v1", 0x00b00f00},
      {"EPYC-Milan-v", 0},
      {"EPYC-v4x", 0},
      {"Skylake-Server", 0},
      {"host", 0},
      {"", 0},
  };
  for (const auto& [model, expected] : rows) {
    CAPTURE(model);
    const auto signature = measure::signature_of_model(model);
    CHECK_EQ(signature.value_or(0), expected);
    if (!signature) CHECK_EQ(signature.error().id, "unknown-cpu-signature");
  }
  CHECK_EQ(measure::signature_of(6, 143, 8), 0x000806f8);  // Sapphire Rapids.
}

TEST_CASE("firmware that lacks something is refused by what it lacks") {
  using enum measure::SnpSection::Kind;
  struct Row {
    const char* what;
    tests::FirmwareImage image;
    std::string_view sev_es;  // Of two vCPUs and a kernel; empty: measured.
    std::string_view snp;
    std::string_view tdx;
  };
  const Row rows[] = {
      {"no table",
       {.size = 4096},
       "firmware-without-kernel-hashes",
       "firmware-without-snp",
       "firmware-without-tdx"},
      {"no reset address",
       {.size = 4096, .hashes_address = 0x810c00, .snp = {{kernel_hashes, 0x810000, 4096}}},
       "firmware-without-reset-address",
       "firmware-without-reset-address",
       "firmware-without-tdx"},
      {"no pages for hashes",
       {.size = 4096,
        .reset_address = 0x80b004,
        .hashes_address = 0x810c00,
        .snp = {{secrets, 0x80d000, 4096}}},
       "",
       "firmware-without-kernel-hashes",
       "firmware-without-tdx"},
      {"hashes elsewhere",
       {.size = 4096,
        .reset_address = 0x80b004,
        .hashes_address = 0x810ff0,
        .snp = {{kernel_hashes, 0x810000, 4096}}},
       "",
       "firmware-without-kernel-hashes",
       "firmware-without-tdx"},
      {"not whole pages",
       {.size = 5000,
        .reset_address = 0x80b004,
        .hashes_address = 0x810c00,
        .snp = {{kernel_hashes, 0x810000, 4096}}},
       "",
       "firmware-without-snp",
       "firmware-without-tdx"},
      {"data that the image lacks",
       {.size = 4096, .tdx = {{0, 8192, 0xffffe000, 8192, true}}},
       "firmware-without-kernel-hashes",
       "firmware-without-snp",
       "broken-firmware"},
  };
  for (const auto& [what, wish, sev_es, snp, tdx] : rows) {
    CAPTURE(what);
    const auto bytes = tests::make_image(wish);
    const auto image = measure::parse_image(bytes);
    REQUIRE(image);
    const measure::Launch launch{.image = *image, .kernel = hashes(""), .vcpus = vcpus(2, 1)};
    const auto es = measure::sev_es_digest(launch);
    CHECK_EQ(es ? "" : es.error().id, sev_es);
    const auto nested = measure::snp_digest(launch);
    CHECK_EQ(nested ? "" : nested.error().id, snp);
    const auto td = measure::tdx_digest(*image);
    CHECK_EQ(td ? "" : td.error().id, tdx);
  }
}

TEST_CASE("a table that contradicts itself is an error, whatever is in it") {
  using enum measure::SnpSection::Kind;
  struct Row {
    const char* what;
    std::vector<measure::SnpSection> snp;
    std::vector<measure::TdxSection> tdx;
  };
  const Row rows[] = {
      {"half a page", {{zeroes, 0x800000, 100}}, {}},
      {"an address between pages", {{zeroes, 0x800001, 4096}}, {}},
      {"a kind that nobody knows", {{measure::SnpSection::Kind{9}, 0x800000, 4096}}, {}},
      {"more than there can be", {}, {{0, 0, 0, 1ULL << 60U}}},
      {"past the end of addresses", {}, {{0, 0, ~0ULL << 12U, 8192}}},
      {"more data than memory", {}, {{0, 4096, 0, 100}}},
  };
  for (const auto& [what, snp, tdx] : rows) {
    CAPTURE(what);
    const auto bytes = tests::make_image({.size = 4096, .snp = snp, .tdx = tdx});
    const auto image = measure::parse_image(bytes);
    REQUIRE_FALSE(image);
    CHECK_EQ(image.error().id, "broken-firmware");
  }
  // Every length and count wrong in turn: no crash, and no hours of work.
  const auto whole = tests::amd_sev_image();
  std::size_t refused = 0;
  for (std::size_t at = whole.size() - 700; at < whole.size(); ++at) {
    auto bytes = whole;
    bytes[at] = static_cast<char>(~bytes[at]);
    const auto image = measure::parse_image(bytes);
    if (!image) ++refused;
  }
  CHECK_GT(refused, 50);
  for (std::size_t size = 0; size < 200; ++size)
    (void)measure::parse_image(std::string_view(whole).substr(whole.size() - size));
}

}  // namespace
