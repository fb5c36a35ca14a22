# shellcheck shell=bash disable=SC2154,SC2034,SC2086,SC2174 # names of common.sh and of each other; codes are numbers
# SPDX-License-Identifier: MIT
#
# Snapshots of a stopped VM's disk, kept inside its qcow2 image.

snapshot_usage() {
  cat <<EOF2
usage: $program snapshot list VM
       $program snapshot take VM NAME
       $program snapshot revert VM NAME     # what came after it is lost
       $program snapshot delete VM NAME

The VM must be stopped. A snapshot is of the disk, not of memory or firmware variables.
EOF2
}

snapshot_command() {
  local what=${1:-} vm=${2:-} name=${3:-} disk
  case $what in
  list | take | revert | delete) ;;
  --help)
    snapshot_usage
    return
    ;;
  *) die $exit_usage "'snapshot $what' is no command" "see $program snapshot --help" ;;
  esac
  [[ $vm =~ $vm_name_pattern ]] || die $exit_usage "'$vm' is not the name of a VM"
  require_commands hvlaunch jq qemu-img
  disk=$(snapshot_disk "$vm") || exit
  if [[ $what == list ]]; then
    snapshots_of "$disk" | column_or_cat
    return
  fi
  [[ $name =~ $vm_name_pattern ]] || die $exit_usage "'$name' cannot be the name of a snapshot" "letters, digits, '.', '_' and '-', at most 64"
  snapshot_change "$what" "$vm" "$name" "$disk"
}

# snapshot_disk VM: the image it writes to, of a VM that does not run.
snapshot_disk() {
  local vm=$1 state disk info
  state=$(vm_state "$vm") || die 1 "there is no VM '$vm'"
  [[ $state == stopped ]] || die 1 "'$vm' is $state" "stop it first: hvlaunch stop $vm"
  disk=$(hvlaunch_json plan "$vm" | jq -r 'first(.descriptors[] | select(.what == "open to read and write" and (.path | test("/disks/")))).path // empty') ||
    die 1 "what '$vm' would start with cannot be seen" "see: hvlaunch plan $vm"
  [[ -n $disk ]] || die 1 "'$vm' has no disk of its own"
  [[ -f $disk ]] || die 1 "the disk of '$vm' is not made yet" "it is made at the first start"
  info=$(qemu-img info --output=json -- "$disk" | jq -r .format) || die 1 "'$disk' cannot be read" "is '$vm' running elsewhere?"
  [[ $info == qcow2 ]] || die 1 "the disk of '$vm' is $info, which holds no snapshots" "take disk_format qcow2 for VMs that need them"
  say "$disk"
}

snapshots_of() {
  qemu-img info --output=json -- "$1" | jq -r '.snapshots[]? | [.name, (."date-sec" | todate)] | @tsv'
}

column_or_cat() {
  local name at found=
  while IFS=$'\t' read -r name at; do
    found=1
    printf '%-32s %s\n' "$name" "$at"
  done
  [[ -n $found ]] || say "no snapshots"
}

snapshot_exists() {
  snapshots_of "$1" | cut -f 1 | grep -qxF -- "$2"
}

snapshot_change() {
  local what=$1 vm=$2 name=$3 disk=$4 option
  case $what in
  take)
    # qemu-img would make a second of that name.
    ! snapshot_exists "$disk" "$name" || die 1 "there is a snapshot '$name' already" "take another name"
    option=-c
    ;;
  *)
    snapshot_exists "$disk" "$name" || die 1 "'$vm' has no snapshot '$name'" "see: $program snapshot list $vm"
    option=-d
    [[ $what == delete ]] || option=-a
    ;;
  esac
  change qemu-img snapshot "$option" "$name" -- "$disk" || die 1 "qemu-img did not do it; the disk is as it was" "look at the room that is left, and whether '$vm' runs"
  say "$vm: $what $name: done"
}

# The menu's part

snapshots_menu() {
  local vm words=() name state
  while IFS=$'\t' read -r name state; do words+=("$name" "$state"); done < <(hvlaunch_json list 2>/dev/null | jq -r '.[] | [.name, .state] | @tsv')
  if ((${#words[@]} == 0)); then
    ui_message "Snapshots" "There is no VM yet."
    return 0
  fi
  vm=$(ui_menu "Snapshots" "Of which VM? It must be stopped." "${words[@]}") || return 0
  snapshots_of_vm "$vm"
}

snapshots_of_vm() {
  local vm=$1 picked name listed
  while true; do
    if ! listed=$(again snapshot list "$vm" 2>&1); then
      ui_message "Snapshots" "$listed"
      return 0
    fi
    picked=$(ui_menu "Snapshots of $vm" "$listed" take "Take one" revert "Go back to one" delete "Delete one") || return 0
    name=$(ui_input "Snapshots of $vm" "Its name:" "$([[ $picked != take ]] || date +%Y%m%d-%H%M)") || continue
    if [[ $picked == revert ]]; then
      ui_default=no ui_yesno "Go back to $name" "All that $vm has written since then is lost. Go on?" || continue
    fi
    ui_run "Snapshots of $vm" again snapshot "$picked" "$vm" "$name" || true
  done
}
