# shellcheck shell=bash disable=SC2154,SC2034,SC2086,SC2174 # names of common.sh and of each other; codes are numbers
# SPDX-License-Identifier: MIT
#
# Maintenance: logs, updates, a backup of what was configured, cleaning up.

maintenance_menu() {
  local picked
  while true; do
    picked=$(ui_menu "Maintenance" "" \
      logs "Logs" \
      backup "Back up the configuration" \
      recover "Clean up after guests that ended unseen" \
      autostart "Which VMs start with the host, and why" \
      check "Check for updates" \
      test "Test an update; it does not outlast a reboot" \
      upgrade "Make a tested update permanent" \
      rebuild "Rebuild this host as it is configured") || return 0
    case $picked in
    logs) logs_menu || true ;;
    backup) ui_run "Back up the configuration" again backup || true ;;
    recover) ui_run "Clean up" change hvlaunch recover || true ;;
    autostart) ui_run "Start with the host" hvlaunch autostart list || true ;;
    check) maintenance_tool hv-check-updates || true ;;
    test) maintenance_tool hv-upgrade-test || true ;;
    upgrade) maintenance_tool hv-system-upgrade || true ;;
    rebuild) maintenance_rebuild || true ;;
    esac
  done
}

# The suite's own commands stand beside this one, in the checkout as installed.
maintenance_tool() {
  local tool
  tool=$(type -P "$1" || readlink -e "$here/$1") || {
    ui_message "Maintenance" "$1 is not installed here: it is for NixOS hosts. On Debian, apt updates this host."
    return 1
  }
  ui_terminal change "$tool"
}

maintenance_rebuild() {
  local helper name
  helper=$(readlink -e "$settings/src/scripts/rebuild_helper.sh" || readlink -e "$here/../rebuild_helper.sh") || helper=
  if [[ -z $helper ]] || ! type -P nixos-rebuild >/dev/null; then
    ui_message "Rebuild" "This host is not built by NixOS: there is nothing to rebuild."
    return 1
  fi
  name=$(cat "$host/etc/hostname" 2>/dev/null) || name=$(hostname -s)
  ui_default=no ui_yesno "Rebuild" "Build /etc/nixos#$name and switch to it?" || return 1
  ui_terminal change "$helper" --flake /etc/nixos --host "$name" switch
}

logs_menu() {
  local file words=() picked
  for file in "$log_directory"/*.log; do
    [[ ! -f $file ]] || words+=("${file##*/}" "$(du -h --apparent-size -- "$file" 2>/dev/null | cut -f 1)")
  done
  picked=$(ui_menu "Logs" "The last lines of:" "${words[@]}" '[units]' "The guests' units, from the journal") || return 0
  if [[ $picked == '[units]' ]]; then
    ui_run "The guests' units" journalctl --no-pager -n 200 -o short -u 'hvlaunch*' || true
  else
    ui_run "$picked" tail -n 200 -- "$log_directory/$picked" || true
  fi
}

# backup_command: profiles and settings, without secrets' modes lost, and no disks.
backup_command() {
  local directory=$state_directory/backups file path paths=()
  if (($#)); then
    say "usage: $program backup"
    say "Writes $directory/configuration-TIME.tar.gz: /etc/hypervisor, /etc/nixos, the users' password hashes and the profiles. No disks."
    [[ $1 == --help ]] || exit $exit_usage
    return
  fi
  for path in etc/hypervisor var/lib/hypervisor/vm-profiles var/lib/hypervisor/secrets etc/nixos; do
    [[ ! -e $host/$path ]] || paths+=("$path")
  done
  ((${#paths[@]})) || die 1 "there is nothing to back up yet"
  file=$directory/configuration-$(date +%Y%m%d-%H%M%S).tar.gz
  if [[ -n $dry_run ]]; then
    say "would write $file with ${paths[*]}"
    return
  fi
  mkdir -p -m 0700 "$directory" || die 1 "'$directory' cannot be made"
  if ! tar -C "${host:-/}" -czf "$file.part" -- "${paths[@]}" || ! sync "$file.part" || ! mv "$file.part" "$file"; then
    rm -f "$file.part"
    die 1 "the backup was not written" "look at the room that is left in $directory"
  fi
  say "$file ($(du -h --apparent-size -- "$file" | cut -f 1)); keep a copy elsewhere"
}
