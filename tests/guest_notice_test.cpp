// SPDX-License-Identifier: MIT
#include "launcher/run/guest_notice.h"

#include <doctest/doctest.h>

using hv::run::is_ready;
using hv::run::merged_notice;
using hv::run::status_of;

TEST_CASE("what a guest says is kept by name, the last of each") {
  CHECK_EQ(merged_notice("", "STATUS=Starting a\nREADY=0\n"), "READY=0\nSTATUS=Starting a\n");
  const auto up = merged_notice("READY=0\nSTATUS=Starting a\n", "READY=1");
  CHECK_EQ(up, "READY=1\nSTATUS=Starting a\n");
  CHECK(is_ready(up));
  CHECK_EQ(status_of(up), "Starting a");
  CHECK_EQ(merged_notice(up, "STATUS=a\nSTATUS=b\n"), "READY=1\nSTATUS=b\n");
}

TEST_CASE("a guest that talks nonsense says nothing, and cannot forge a line") {
  CHECK_EQ(merged_notice("", "READYNESS=1\n READY=1\nready=1\nX_SYSTEMD_SHUTDOWN=1\n\0\n"), "");
  CHECK_FALSE(is_ready("READY=11"));
  CHECK_FALSE(is_ready(""));
  const auto dressed = merged_notice("", "STATUS=\x1b[2Jready\rREADY=1");
  CHECK_FALSE(is_ready(dressed));
  CHECK_EQ(dressed.find('\x1b'), std::string::npos);
  CHECK_LT(merged_notice("", "STATUS=" + std::string(4000, 'x')).size(), 4096);
}
