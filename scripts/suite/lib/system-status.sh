# shellcheck shell=bash disable=SC2086,SC2154 # set by common.sh and upgrade.sh
# SPDX-License-Identifier: MIT
#
# `hv system-status`: what an administrator wants to know first. Gathered as one JSON
# object, which is either printed or shown; nothing here changes anything, and what cannot
# be found out is null.

host_version() {
  if command -v nixos-version >/dev/null; then
    printf 'NixOS %s\n' "$(nixos-version)"
  else
    sed -nE 's/^PRETTY_NAME="?([^"]*)"?/\1/p' "$host/etc/os-release" 2>/dev/null
  fi
}

# json_list: lines to a list of strings.
json_list() { jq -Rn '[inputs | select(. != "")]'; }

# Units: overall state, failed ones, and the suite's own menu.
status_of_units() {
  local state menu failed
  state=$(systemctl is-system-running 2>/dev/null) || true
  menu=$(systemctl is-active hypervisor-menu.service 2>/dev/null) || true
  failed=$(systemctl list-units --state=failed --plain --no-legend --no-pager --full 2>/dev/null) || failed=''
  jq -n --arg state "$state" --arg menu "$menu" \
    --argjson failed "$(sed -nE 's/^[[:space:]]*([^[:space:]]+).*/\1/p' <<<"$failed" | json_list)" \
    '{state: $state, menu: $menu, failed: $failed}'
}

# answer_of COMMAND...: what hvlaunch says, null if it says nothing or fails; of doctor,
# whose status is 6 if something is wrong with the host, any object with checks counts.
answer_of() {
  local answer
  answer=$(hvlaunch_json "$@" 2>/dev/null) || true
  answer=$(jq -c 'select(type == "array" or has("checks"))' <<<"$answer" 2>/dev/null) || answer=''
  printf '%s\n' "${answer:-null}"
}

status_of_guests() { answer_of list; }
status_of_host() {
  answer_of doctor | jq 'if . == null then . else {fail, warn, failing: [.checks[] | select(.status == "fail") | "\(.title): \(.found)"]} end'
}

# Free space where it runs out: the system's disk and the guests'.
status_of_space() {
  local place
  for place in / /nix /var/lib/hypervisor; do
    [[ ! -d $host$place ]] || df --output=avail,pcent -k "$host$place" 2>/dev/null |
      sed -nE "2s|^ *([0-9]+) +([0-9]+)%.*|$place \1 \2|p"
  done | jq -Rn '[inputs | split(" ") | {place: .[0], free_mib: (.[1] | tonumber / 1024 | floor), used_percent: (.[2] | tonumber)}]'
}

status_of_upgrades() {
  jq -n --arg available "$(value_of to "$notice")" --arg verdict "$(value_of verdict "$test_result")" \
    --arg tested "$(value_of time "$test_result")" --arg version "$(value_of to "$test_result")" \
    '{available: $available, test: $verdict, tested: $tested, version: $version} | map_values(select(. != "") // null)'
}

gather_status() {
  jq -n --arg version "$(host_version)" --arg hvlaunch "$(hvlaunch --version 2>/dev/null)" \
    --argjson kvm "$([[ -e $host/dev/kvm ]] && echo true || echo false)" --argjson units "$(status_of_units)" \
    --argjson guests "$(status_of_guests)" --argjson host "$(status_of_host)" \
    --argjson space "$(status_of_space)" --argjson upgrades "$(status_of_upgrades)" \
    '{version: $version, hvlaunch: $hvlaunch, kvm: $kvm, units: $units, guests: $guests, host: $host, space: $space, upgrades: $upgrades}
    | .attention = [
        (if .hvlaunch == "" then "hvlaunch is not installed" else empty end),
        (if .kvm then empty else "there is no /dev/kvm: guests are emulated" end),
        (.units.failed[] | "unit \(.) has failed"),
        (if .units.menu == "failed" then "the console menu has failed" else empty end),
        (.host.failing // [] | .[] | "doctor: \(.)"),
        (.guests // [] | .[] | select(.state == "unresponsive") | "guest \(.name) does not answer"),
        (.space[] | select(.used_percent >= 90) | "\(.place) is \(.used_percent)% full"),
        (if .upgrades.test == "failed" then "the last upgrade test has failed: see /var/lib/hypervisor/upgrade-test-result" else empty end)]'
}

show_status() {
  jq -r '
    def row($name; $text): "\($name + " " * (12 - ($name | length)))\($text)";
    row("host"; .version), row("hvlaunch"; if .hvlaunch == "" then "not installed" else .hvlaunch end),
    row("kvm"; if .kvm then "yes" else "no" end),
    row("services"; "\(.units.state), \(.units.failed | length) failed; menu \(if .units.menu == "" then "unknown" else .units.menu end)"),
    row("guests"; if .guests == null then "hvlaunch cannot say" else
      "\([.guests[] | select(.state == "running")] | length) running of \(.guests | length)" end),
    row("checks"; if .host == null then "hvlaunch cannot say" else "\(.host.fail) failing, \(.host.warn) warnings (hvlaunch doctor)" end),
    (.space[] | row("space"; "\(.place): \(.free_mib) MiB free, \(.used_percent)% used")),
    row("updates"; if .upgrades.available then "available: \(.upgrades.available)" else "none known (hv-check-updates looks)" end),
    row("upgrade"; if .upgrades.test then "test \(.upgrades.test) at \(.upgrades.tested)" else "never tested" end),
    row("logs"; "/var/log/hypervisor"),
    (if .attention == [] then empty else "", "needs attention:", (.attention[] | "  " + .) end)'
}

system_status() {
  local status
  [[ $# == 0 || ($# == 1 && $1 == --json) ]] || die $exit_usage "'system-status' takes no '$*'" "usage: hv system-status [--json]"
  require_commands jq systemctl
  status=$(gather_status)
  if [[ ${1:-} == --json ]]; then say "$status"; else show_status <<<"$status"; fi
  jq -e '.attention == []' <<<"$status" >/dev/null
}
