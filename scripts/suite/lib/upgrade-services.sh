# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# Whether what ran before an upgrade runs after it.
#
#   services_now before     # lists in the folder: failed, active, guests
#   ...
#   services_now after
#   services_lost before after    # a line for each that was lost; status 1 if there are any

# services_now FOLDER: all lists or no folder.
services_now() {
  rm -rf -- "$1" && mkdir -- "$1" || return 1
  # What is started again and again has failed as well.
  units_in failed,auto-restart >"$1/failed" &&
    units_in active 'hvlaunch@*.service' hypervisor-menu.service hvlaunch.target >"$1/active" &&
    guests_running >"$1/guests" && return 0
  rm -rf -- "$1"
  return 1
}

# units_in STATES [PATTERN...]
units_in() {
  local states=$1 answer
  shift
  answer=$(systemctl list-units --all --state="$states" --plain --no-legend --no-pager --full "$@") || return 1
  # Names have no blanks: systemd escapes them.
  sed -nE 's/^[[:space:]]*([^[:space:]]+).*/\1/p' <<<"$answer" | sort -u
}

guests_running() {
  local answer
  command -v hvlaunch >/dev/null || return 0
  answer=$(hvlaunch --json list) || return 1
  jq -r '.[] | select(.state == "running" or .state == "paused") | .name' <<<"$answer" | sort -u
}

# services_settle: until systemd has nothing more to do, a minute at most. No command of its
# waits for that: `is-system-running --wait` is about the boot alone.
services_settle() {
  local left=60 jobs
  while ((left-- > 0)); do
    jobs=$(systemctl list-jobs --no-legend --no-pager) || return 1
    [[ -n $jobs ]] || return 0
    sleep 1
  done
  say "systemd still has work to do after a minute:"
  say "$jobs"
}

services_lost() {
  local name lost=0
  while read -r name; do
    say "$name has failed since the upgrade was activated" && lost=1
  done < <(comm -13 "$1/failed" "$2/failed")
  while read -r name; do
    say "$name is no longer active" && lost=1
  done < <(comm -23 "$1/active" "$2/active")
  while read -r name; do
    say "guest $name no longer runs" && lost=1
  done < <(comm -23 "$1/guests" "$2/guests")
  ((!lost))
}
