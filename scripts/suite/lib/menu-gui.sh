# shellcheck shell=bash disable=SC2154,SC2034,SC2086,SC2174 # names of common.sh and of each other; codes are numbers
# SPDX-License-Identifier: MIT
#
# The graphical session that a host may have for emergencies; it never runs by itself.

gui_unit() {
  local unit
  for unit in display-manager.service gdm.service gdm3.service; do
    if systemctl cat "$unit" >/dev/null 2>&1; then
      say "$unit"
      return
    fi
  done
  return 1
}

gui_command() {
  local unit
  if (($#)); then
    say "usage: $program gui"
    say "Starts the graphical session that this host may have as a fallback."
    [[ $1 == --help ]] || exit $exit_usage
    return
  fi
  unit=$(gui_unit) || die $exit_unavailable "this host has no graphical session" "$(gui_cure)"
  if systemctl is-active --quiet "$unit"; then
    say "$unit runs already: it is on another console, Ctrl-Alt-F1 to F7 find it"
    return
  fi
  change systemctl start "$unit" || die 1 "$unit did not start" "see: journalctl -u $unit"
  say "$unit runs. It ends with: systemctl stop $unit"
}

gui_cure() {
  if [[ -e $host/etc/NIXOS ]]; then
    say "set hypervisor.gui.enable = true; in the host's configuration, and rebuild"
  else
    say "install one (apt install gnome-session gdm3), and keep it from starting with the host: systemctl set-default multi-user.target"
  fi
}
