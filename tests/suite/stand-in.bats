#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2016 # commands of the stand-in
# The recorder that all other tests of the suite stand on.

load lib/root

setup() {
  new_root
  PATH=$HV_ROOT/run/current-system/sw/bin:$PATH
}

@test "a call is recorded with its arguments quoted" {
  reply nix 0
  nix build 'a b' "it's"
  [[ $(calls nix) == "'build' 'a b' 'it'\\''s'" ]]
  [[ $(calls) == "nix 'build'"* ]]
}

@test "a call that no rule covers is an error, and remembered" {
  reply nix 0 '^build'
  run -99 nix run
  [[ $output == *"unexpected call: nix 'run'"* ]]
  run no_unexpected_calls
  [[ $status != 0 && $output == "nix 'run'" ]]
}

@test "the rule made last is asked first" {
  reply nix 0 '' everything
  reply nix 3 '^run' 'only this'
  run -3 nix run
  [[ $output == 'only this' ]]
  [[ $(nix build) == everything ]]
}

@test "the host's own tool is run where that is asked for" {
  reply_really basename
  [[ $(basename /a/b) == b ]]
  [[ $(calls) == "basename '/a/b'" ]]
}

@test "commands stand for a tool" {
  reply_by nix '^touch' 'echo "$2" >"$root/etc/made"; exit 4'
  run -4 nix touch it
  [[ $(<"$HV_ROOT/etc/made") == it ]]
}

@test "one call of many fails" {
  reply nix 0
  fail_call 2
  nix a
  run -1 nix b
  nix c
  [[ $(number_of_calls) == 3 ]]
}

@test "calls at the same time are all counted" {
  reply nix 0
  for i in {1..20}; do nix "$i" & done
  wait
  [[ $(number_of_calls) == 20 && $(calls nix | sort -u | wc -l) == 20 ]]
}

@test "a kill takes the whole process group with it" {
  reply nix 0
  kill_at_call 1
  run setsid -w bash -c 'nix a; echo went on' </dev/null
  [[ $status == 137 && $output != *'went on'* ]]
}
