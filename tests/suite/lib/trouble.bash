# shellcheck shell=bash disable=SC2016,SC2030,SC2031 # hashes and Nix, not bash; a root in a subshell
# SPDX-License-Identifier: MIT
#
# The bootstrap on a host where an older one is installed, stopped at each of the commands
# it calls; needs root.bash.
#
#   prepare; stop_at_each fail|kill

tools=(mkdir flock find du df tar chmod mv rm mktemp cat sync cmp ln cp diff date readlink tee)

prepare() {
  new_root
  fake_source
  root_user ada 1000 '$6$salt$hash' 'Ada' wheel
  root_locale de_DE.UTF-8 Europe/Berlin
  root_file etc/hypervisor/src/older 0644 old
  root_file etc/nixos/flake.nix 0644 '{ older = true; }'
  reply nixos-rebuild 0
  reply nixos-generate-config 0 '' '{ }'
  reply systemctl 0
  before=$BATS_TEST_TMPDIR/before after=$BATS_TEST_TMPDIR/after
  reply_really "${tools[@]}"
  cp -a "$HV_ROOT" "$before"
  bootstrap
  cp -a "$HV_ROOT" "$after"
  result=$(result_of "$after")
  total=$(number_of_calls)
}

bootstrap() {
  script bootstrap_nixos.sh --force --hostname testhost --source "$FAKE_SOURCE" --reboot >"$BATS_TEST_TMPDIR/said" 2>&1
}

start_over() {
  rm -rf "$HV_ROOT"
  cp -a "$before" "$HV_ROOT"
}

# Every file is what it was or what it is to be.
all_whole() {
  local path
  while IFS= read -r -d '' path; do
    path=${path#"$after/"}
    [[ ! -e $HV_ROOT/$path || $(<"$HV_ROOT/$path") == "$(<"$after/$path")" ]] ||
      [[ -e $before/$path && $(<"$HV_ROOT/$path") == "$(<"$before/$path")" ]] || {
      echo "in part: $path" >&2
      return 1
    }
  done < <(cd "$after" && find "$after"/etc/{hypervisor,nixos} "$after/var/lib" -type f -print0)
}

# What is there, but for copies of what was.
result_of() {
  (HV_ROOT=$1 && tree_of etc var/lib) | grep -vE 'backup-|\.~[0-9]+~'
}

older_is_kept() {
  local kept
  kept=$(cat "$HV_ROOT"/etc/hypervisor.backup-*/src/older | sort -u)
  [[ $kept == old && $(<"$HV_ROOT/etc/nixos/flake.nix.~1~") == '{ older = true; }' ]]
}

# stopped_at HOW NUMBER: called where bash goes on after errors, so each is looked at.
stopped_at() {
  start_over
  if [[ $1 == fail ]]; then fail_call "$2"; else kill_at_call "$2"; fi
  if ! bootstrap; then stopped=$((stopped + 1)); fi
  all_whole || return
  # Again, and now nothing is in the way.
  no_trouble
  (cd "$HV_ROOT/run/current-system/sw/bin" && rm "${tools[@]}")
  bootstrap && no_unexpected_calls && older_is_kept && [[ $(result_of "$HV_ROOT") == "$result" ]]
}

stop_at_each() {
  local number stopped=0
  ((total > 50))
  for ((number = 1; number <= total; number++)); do
    stopped_at "$1" "$number" || {
      echo "$1 at call $number: $(sed -n "${number}p" "$HV_ROOT/.stand-in/log")" >&2
      cat "$BATS_TEST_TMPDIR/said" >&2
      diff <(echo "$result") <(result_of "$HV_ROOT") >&2
      return 1
    }
  done
  echo "$total calls, $stopped of them ended it" >&2
  ((stopped > total / 2))
}
