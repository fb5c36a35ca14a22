# shellcheck shell=bash disable=SC2154,SC2034,SC2086,SC2174 # names of common.sh and of each other; codes are numbers
# SPDX-License-Identifier: MIT
#
# The VMs: what the main menu shows of them, and the menu of one.

# vm_lines: NAME, a tab, what is shown; those with broken profiles too. Fails with what
# hvlaunch said if it knows nothing.
vm_lines() {
  local listed checked
  listed=$(hvlaunch_json list) || return 1
  # 3: the profiles have errors, and this is the list of them.
  checked=$(hvlaunch_json check 2>/dev/null) || [[ $? == 3 ]] || checked='{}'
  jq -r --argjson checked "${checked:-"{}"}" "$vm_lines_jq" <<<"$listed"
}

# shellcheck disable=SC2016 # jq's variables
readonly vm_lines_jq='
  def of_file: (.file // "") | split("/") | last | rtrimstr(".json");
  def padded($n): . + (" " * ([$n - length, 0] | max));
  (($checked.errors // []) | group_by(of_file) | map({key: (.[0] | of_file), value: .}) | from_entries) as $broken
  | [.[] | . + {errors: ($broken[.name] // [])}] as $known
  | $known + [$broken | to_entries[] | select(.key != "" and (.key as $k | all($known[]; .name != $k)))
      | {name: .key, state: "stopped", errors: .value}]
  | sort_by(.name)[]
  | [.name,
     (if .errors != [] then "BROKEN   " + (.errors | length | tostring) + (if (.errors | length) == 1 then " error: " else " errors: " end) + .errors[0].message
      else (.state | padded(8)) + " " + ([
        (if .vcpus then "\(.vcpus) CPU" + (if .vcpus == 1 then "" else "s" end) else empty end),
        (if .memory_mib then "\(.memory_mib) MiB" else empty end),
        (if .accelerator == "tcg" then "emulated" else empty end)] | join(", "))
      end | gsub("[\t\n]"; " "))] | join("\t")'

# vm_errors VM: all that is wrong with its profile, as people read it.
vm_errors() {
  local said
  said=$(hvlaunch_json check "$1" 2>/dev/null) || true
  jq -r --arg host "$host" '.errors
    | (map(.file // empty) | first // empty | "In \(ltrimstr($host)):"),
      (.[] | (if .line then "line \(.line), column \(.column): " else "" end) + (if (.pointer // "") == "" then "" else "\(.pointer): " end)
        + .message, (.hint // empty | "  \(.)"))' <<<"$said" 2>/dev/null || hvlaunch check "$1" 2>&1
}

vm_is_broken() {
  ! hvlaunch_json check "$1" >/dev/null 2>&1
}

vm_state() {
  hvlaunch_json status "$1" | jq -r .state
}

# vm_start VM: the last that was started is what the next boot counts down to.
vm_start() {
  remember_last_vm "$1"
  change hvlaunch start "$1"
}

remember_last_vm() {
  printf '%s\n' "$1" | put_last_vm 2>/dev/null ||
    warn "'$state_directory/last-vm' cannot be written; the next boot does not know '$1'"
}

# Not put_file, which keeps a copy of each VM that ever ran.
put_last_vm() {
  local draft
  [[ -z $dry_run ]] || return 0
  mkdir -p -m 0755 "$state_directory" || return 1
  draft=$(mktemp "$state_directory/last-vm.XXXXXX") || return 1
  if ! cat >"$draft" || ! chmod 0644 "$draft" || ! mv -f "$draft" "$state_directory/last-vm"; then
    rm -f "$draft"
    return 1
  fi
}

vm_menu() {
  local vm=$1 state picked
  while true; do
    state=$(vm_state "$vm" 2>/dev/null) || state=unknown
    if vm_is_broken "$vm"; then
      broken_vm_menu "$vm" || return 0
      continue
    fi
    picked=$(ui_menu "$vm" "$vm is $state." \
      start "Start" \
      console "Attach to the console (Ctrl-] leaves)" \
      stop "Shut down, the gentlest way that works" \
      kill "Force stop: its disks are not flushed" \
      status "Status, and why it last ended" \
      edit "Edit: memory, CPUs, CD image, autostart" \
      doctor "What it needs of this host" \
      delete "Delete") || return 0
    vm_action "$vm" "$picked" || return 0
  done
}

# Fails if the VM is no more.
vm_action() {
  local vm=$1
  case $2 in
  start) ui_run "Start $vm" vm_start "$vm" || true ;;
  console) ui_terminal hvlaunch console "$vm" || true ;;
  stop) ui_run "Shut down $vm" change hvlaunch stop "$vm" || true ;;
  kill)
    ! ui_default=no ui_yesno "Force stop $vm" "What the guest has not written to its disks is lost. Go on?" ||
      ui_run "Force stop $vm" change hvlaunch kill "$vm" || true
    ;;
  status) ui_run "$vm" hvlaunch status "$vm" || true ;;
  edit) vm_edit_menu "$vm" || true ;;
  doctor) ui_run "What $vm needs" hvlaunch doctor "$vm" || true ;;
  delete) ! vm_delete "$vm" ;;
  esac
}

broken_vm_menu() {
  local vm=$1 picked
  picked=$(ui_menu "$vm: broken profile" "$(vm_errors "$vm" || true)" \
    again "Look again, after it has been mended" \
    delete "Delete this profile") || return 1
  case $picked in
  delete) ! vm_delete "$vm" || return 1 ;;
  esac
}

vm_edit_menu() {
  local vm=$1 field value
  while true; do
    field=$(ui_menu "Edit $vm" "Settings count from the next start." \
      memory_mb "Memory, like 4096 (MiB) or 8G" \
      cpus "Virtual CPUs" \
      iso_path "CD image in the drive" \
      disk_gb "Size of the disk, if it is not made yet (GiB)" \
      network.bridge "Bridge of the network card" \
      hugepages.policy "Huge pages: require, prefer or off" \
      autostart "Start with the host: true or false" \
      description "Description") || return 0
    value=$(ui_input "Edit $vm" "$field" "$(profile_value "$vm" "$field")") || continue
    ui_run "Edit $vm" change hvlaunch edit "$vm" --set "$field=$value" || true
  done
}

# profile_value VM FIELD: as its profile has it; nothing where comments keep jq from it.
profile_value() {
  local file
  for file in "$settings/vm-profiles/$1.json" "$state_directory/vm-profiles/$1.json"; do
    [[ -f $file ]] || continue
    jq -r --arg field "$2" 'getpath($field / ".") // empty' "$file" 2>/dev/null || true
    return 0
  done
}

# The answer must be the name: Enter alone deletes nothing.
vm_delete() {
  local vm=$1 typed disks=()
  typed=$(ui_input "Delete $vm" "The profile goes. Type the VM's name to delete it:") || return 1
  if [[ $typed != "$vm" ]]; then
    ui_message "Delete $vm" "'$typed' is not '$vm': nothing was deleted."
    return 1
  fi
  ! ui_default=no ui_yesno "Delete $vm" "Delete its disk, firmware variables and TPM state as well? They cannot be had back." ||
    disks=(--disks)
  ui_run "Delete $vm" change hvlaunch delete "$vm" "${disks[@]}"
}
