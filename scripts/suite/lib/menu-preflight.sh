# shellcheck shell=bash disable=SC2154,SC2034,SC2086,SC2174 # names of common.sh and of each other; codes are numbers
# SPDX-License-Identifier: MIT
#
# Preflight: what hvlaunch doctor says, what is wrong first.

preflight_menu() {
  local picked words=() name
  while true; do
    words=()
    while IFS= read -r name; do words+=("$name" "What this VM needs"); done < <(hvlaunch_json list 2>/dev/null | jq -r '.[].name')
    picked=$(ui_menu "Preflight" "$(preflight_summary)" '[wrong]' "What is wrong with this host, and the cure" '[all]' "All checks" "${words[@]}") || return 0
    case $picked in
    '[wrong]') ui_run "What is wrong" preflight_wrong || true ;;
    '[all]') ui_run "All checks" hvlaunch doctor || true ;;
    *) ui_run "What $picked needs" hvlaunch doctor "$picked" || true ;;
    esac
  done
}

# doctor's exit status says whether anything fails; what it prints counts here.
doctor_json() {
  local said status=0
  said=$(hvlaunch_json doctor) || status=$?
  ((status == 0 || status == 6)) || return "$status"
  printf '%s\n' "$said"
}

preflight_summary() {
  doctor_json 2>/dev/null | jq -r '"\(.fail) failed, \(.warn) warnings"' 2>/dev/null || say "hvlaunch doctor does not answer"
}

preflight_wrong() {
  doctor_json | jq -r '
    [.checks[] | select(.status == "fail" or .status == "warn")] | sort_by(.status)
    | if . == [] then "nothing" else .[] | "\(if .status == "fail" then "FAILED" else "warning" end): \(.title): \(.found)", (.remedy // empty | "  cure: \(.)") end'
}
