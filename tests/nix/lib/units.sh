# shellcheck shell=bash disable=SC2154 # work, hvlaunch and accept are the runner's
# SPDX-License-Identifier: MIT
#
# The units as they lie on a NixOS host, for systemd's own eyes.

# Those of the package, with absolute programs, and what the module adds to them.
lay_out_units() {
  local to=$1 name text strategy
  mkdir -p "$to/bin" "$to/units"
  for name in hvlaunch hv hypervisor-menu hv-check-updates; do
    printf '#!/bin/sh\n' >"$to/bin/$name" && chmod +x "$to/bin/$name"
  done
  cp -r systemd/system/. systemd/hvlaunch.target "$to/units/"
  rm -r "$to"/units/*.wants
  sed -E -i -f <(sed "s,@bin@,$to/bin," nix/absolute-programs.sed) "$to"/units/*.service
  while read -r name; do
    text=$(jq -r --arg name "$name" '.units[$name].text' "$work/manifest.json" | sed "s,<hvlaunch>/bin,$to/bin,")
    strategy=$(jq -r --arg name "$name" '.units[$name].overrideStrategy' "$work/manifest.json")
    if [[ $strategy == asDropin || -e $to/units/$name ]]; then
      mkdir -p "$to/units/$name.d"
      printf '%s\n' "$text" >"$to/units/$name.d/overrides.conf"
    else
      printf '%s\n' "$text" >"$to/units/$name"
    fi
  done < <(jq -r '.units | keys[]' "$work/manifest.json")
}

programs_are_absolute() {
  local line bad=0
  while read -r line; do
    [[ $line =~ ^[^=]*Exec[A-Za-z]*=[-@:+!]*/ ]] || { echo "$line" && bad=1; }
  done < <(grep -rE '^Exec' "$work/layout/units")
  return $bad
}

# systemd ends with 0 where it only warns, so any word of it is too many.
units_verify() {
  local unit said bad=0
  [[ -e $work/layout/units/nixos-update-checker.timer ]] || return 1
  for unit in "$work"/layout/units/*.{service,timer,target}; do
    [[ $unit != *@.service ]] || { cp -r "$unit" "${unit/@./@web.}" && unit=${unit/@./@web.}; }
    said=$(SYSTEMD_UNIT_PATH=$work/layout/units: systemd-analyze verify --man=no "$unit" 2>&1 |
      grep -E "^$work|^(hv|hyper|nixos)" | grep -v 'Unit nixos-fw') || true
    [[ -z $said ]] || { printf '%s\n' "$said" && bad=1; }
  done
  return $bad
}

# The drop-in's conditions, as systemd takes them, with the menu enabled and not.
login_or_menu() {
  local file=systemd/system/getty@tty1.service.d/50-hypervisor-menu.conf menu=$work/enabled conditions
  rm -f "$menu"
  mapfile -t conditions < <(sed -n '/^Condition/p' "$file" | sed "s,/etc/systemd/.*hypervisor-menu.service,$menu,")
  ((${#conditions[@]} == 2)) || return 1
  systemd-analyze condition "${conditions[@]}" || return 1
  touch "$menu"
  ! systemd-analyze condition "${conditions[@]}" &&
    systemd-analyze condition "${conditions[0]}" 'ConditionPathExists=|/' # one of them will do
}

schedules_are_calendars() {
  local schedule
  for schedule in monthly weekly 'Mon *-*-* 02:00:00'; do
    evaluate manifest.units --arg module "{ hypervisor.updateChecker.schedule = (import ./tests/nix/nixpkgs/lib).mkForce \"$schedule\"; }" |
      jq -r '."nixos-update-checker.timer".text' | sed -n 's/^OnCalendar=//p' >"$work/calendar"
    [[ $(<"$work/calendar") == "$schedule" ]] && systemd-analyze calendar "$schedule" >/dev/null || return 1
  done
}

# "monthly" is what the page promises: the first of each month.
monthly_is_the_first() {
  systemd-analyze calendar --base-time='2026-01-15' monthly | grep -q '2026-02-01 00:00:00'
}
