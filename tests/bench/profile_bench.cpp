// SPDX-License-Identifier: MIT
//
// How long parsing and decoding one profile takes: the median of many.
#include "profiles/profile.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>

int main(int argc, char** argv) {
  const char* const file = argc > 1 ? argv[1] : SOURCE_DIR "/profiles/examples/nas.json";
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  const hv::profiles::Source source{file, text.str()};

  constexpr std::size_t rounds = 20001;
  std::vector<double> times;
  times.reserve(rounds);
  std::size_t good = 0;
  for (std::size_t i = 0; i < rounds; ++i) {
    const auto start = std::chrono::steady_clock::now();
    good += hv::profiles::parse_profile(source).has_value() ? 1U : 0U;
    const auto end = std::chrono::steady_clock::now();
    times.push_back(std::chrono::duration<double, std::micro>(end - start).count());
  }
  std::ranges::nth_element(times, times.begin() + rounds / 2);
  fmt::print("profile_parse {:.1f} µs\n", times[rounds / 2]);
  return good == rounds ? 0 : 1;
}
