# shellcheck shell=bash disable=SC2154,SC2034,SC2086,SC2174 # names of common.sh and of each other; codes are numbers
# SPDX-License-Identifier: MIT
#
# VFIO tools: which devices a guest can get, and taking them from the host by hand.

vfio_menu() {
  local picked
  while true; do
    picked=$(ui_menu "VFIO tools" "A guest takes the devices of its profile by itself; binding by hand is for those that must never be the host's." \
      list "All devices, and which of them a guest can get" \
      groups "IOMMU groups" \
      bind "Take a device from the host's driver" \
      unbind "Give a device back to the host" \
      clear "Use a device again that was out of order") || return 0
    case $picked in
    list) ui_run "Devices" hvlaunch vfio list || true ;;
    groups) ui_run "IOMMU groups" vfio_groups || true ;;
    bind) vfio_bind_dialog || true ;;
    unbind) vfio_unbind_dialog || true ;;
    clear) vfio_clear_dialog || true ;;
    esac
  done
}

vfio_groups() {
  hvlaunch_json vfio list | jq -r '
    if .iommu | not then "this host has no IOMMU, or it is off: \"Preflight\" says what to do" else
    .devices | map(select(.group != null)) | group_by(.group)[]
    | "group \(.[0].group)", (.[] | "  \(.address)  \(.driver // "no driver")  \(.name)") end'
}

# vfio_devices FILTER: words for a menu, of the devices that jq's FILTER takes.
vfio_devices() {
  local address text
  words=()
  while IFS=$'\t' read -r address text; do
    words+=("$address" "$text")
  done < <(hvlaunch_json vfio list | jq -r ".devices[] | select($1) | [.address, \"\\(.driver // \"no driver\"): \\(.name)\"] | @tsv")
  ((${#words[@]} > 0))
}

vfio_bind_dialog() {
  local words picked plan
  vfio_devices '.class[0:2] != "06" and .out_of_order == null and .driver != .guest_driver' || {
    ui_message "Take a device" "There is none to take."
    return 1
  }
  picked=$(ui_menu "Take a device" "Which one?" "${words[@]}") || return 1
  if ! plan=$(hvlaunch vfio plan "$picked" 2>&1); then
    ui_message "Take a device" "$picked cannot be taken:"$'\n'"$plan"
    return 1
  fi
  ui_default=no ui_yesno "Take $picked" "$plan"$'\n\n'"It stays so until it is given back, or until the host is off. Go on?" || return 1
  ui_run "Take $picked" change hvlaunch vfio bind "$picked"
}

# vfio_let_go COMMAND FILTER TITLE NONE QUESTION DOING: of those that the filter leaves.
vfio_let_go() {
  local words picked
  vfio_devices "$2" || {
    ui_message "$3" "$4"
    return 1
  }
  picked=$(ui_menu "$3" "$5" "${words[@]}") || return 1
  ui_run "$6 $picked" change hvlaunch vfio "$1" "$picked"
}

vfio_unbind_dialog() {
  vfio_let_go unbind '.driver != null and .driver == .guest_driver' "Give a device back" \
    "No device is bound for guests." "Which one?" "Give back"
}

vfio_clear_dialog() {
  vfio_let_go clear '.out_of_order != null' "Out of order" \
    "No device is out of order." "Which one was put right?" "Use again"
}
