#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# slow

load lib/root
load lib/trouble

@test "whichever command fails, nothing is left in part and the next run ends the same" {
  prepare
  stop_at_each fail
}
