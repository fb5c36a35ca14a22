# shellcheck shell=bash disable=SC2034,SC2154 # used and set by common.sh and upgrade.sh
# SPDX-License-Identifier: MIT
#
# What stands between a test and an upgrade. A verdict is about one configuration, on one
# host, and does not keep for ever.

# A month: services, data and hardware change even if the configuration does not.
readonly verdict_days=30

# refuse REASON: the cure is nearly always the same.
refuse() {
  audit nixos-rebuild "upgrade refused: $1"
  die 1 "$1" "${2:-sudo hv-upgrade-test}"
}

gate() {
  gate_verdict
  gate_age
  gate_identity
  gate_downgrade
}

gate_verdict() {
  local verdict
  [[ -e $test_result ]] || refuse "no upgrade was tested on this host"
  verdict=$(value_of verdict "$test_result")
  case $verdict in
  passed) ;;
  failed) refuse "the last test has failed: $(value_of what "$test_result")" "see '$test_result' for what helps" ;;
  running | interrupted) refuse "the last test did not come to its end" ;;
  *) refuse "'$test_result' has no verdict that is known: '$verdict'" ;;
  esac
}

gate_age() {
  local tested now
  tested=$(date -d "$(value_of time "$test_result")" +%s 2>/dev/null) || refuse "'$test_result' does not say when it was"
  now=$(date +%s)
  ((now - tested < verdict_days * 86400)) || refuse "the test that has passed is older than $verdict_days days"
  ((tested - now < 3600)) || refuse "the test that has passed is dated in the future, by $(value_of time "$test_result")"
}

# gate_identity: the host's files and the candidate are both what was tested.
gate_identity() {
  local tested base now
  tested=$(value_of identity "$test_result")
  [[ $tested && -d $candidate && -d $candidate_pin && $(identity_of_candidate) == "$tested" ]] ||
    refuse "'$work' does not hold what was tested for '$flake_host'"
  [[ $(identity_of_host) == "$tested" ]] ||
    refuse "the configuration in '$flake_directory' or '$settings' has changed since it was tested"
  base=$(value_of base-lock "$test_result")
  now=$(lock_digest "$pin_directory/flake.lock")
  # The second is what an upgrade leaves, also one that was interrupted.
  [[ $now == "$base" || $now == "$(lock_digest "$candidate_pin/flake.lock")" ]] ||
    refuse "'$pin_directory/flake.lock' has changed since the test"
}

gate_downgrade() {
  local reason
  compare_inputs "$pin_directory/flake.lock" "$candidate_pin/flake.lock"
  reason=$(downgrade_of "$(value_of release "$test_result")" "$(value_of state-version "$test_result")")
  [[ ! $reason ]] || refuse "$reason"
}

# in_use_already: it boots, it runs, and the next rebuild would be the same.
in_use_already() {
  local tested
  tested=$(value_of system "$test_result")
  [[ $(readlink -f "$system_profile") == "$tested" && $(readlink -f "$running_system") == "$tested" ]] &&
    cmp -s "$candidate_pin/flake.lock" "$pin_directory/flake.lock"
}
