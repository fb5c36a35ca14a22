# shellcheck shell=bash disable=SC2016 # commands for the stand-in
# SPDX-License-Identifier: MIT
#
# A made-up host for the menu: the real hvlaunch reads and writes its profiles, and in the
# place of guests, devices and doctor's host there are answers.
#
#   load lib/root; load lib/tmux; load lib/menu
#   menu_host                       # a root with hvlaunch in it, and no VM
#   vm web; vm bad '{"name": '      # profiles
#   menu ARG...                     # hypervisor-menu, by `run`

MENU=$SOURCE_ROOT/scripts/suite/hypervisor-menu
HVLAUNCH=${HVLAUNCH:-$SOURCE_ROOT/build/release/bin/hvlaunch}

menu_host() {
  new_root
  [[ -x $HVLAUNCH ]] || { echo "no $HVLAUNCH: cmake --build --preset release" >&2 && return 1; }
  mkdir -p "$HV_ROOT"/{etc/hypervisor/vm-profiles,var/lib/hypervisor,xdg,state,sys/class/net}
  ln -sfn ../etc/hypervisor "$HV_ROOT/xdg/hvlaunch"
  ln -sfn ../var/lib/hypervisor "$HV_ROOT/state/hvlaunch"
  real_hvlaunch
  reply hvlaunch 0 '^--json vfio list' "$(<"$SUITE_TESTS/lib/menu-devices.json")"
  reply hvlaunch 0 '^vfio list' 'the devices'
  reply hvlaunch 6 '^--json doctor$' "$(<"$SUITE_TESTS/lib/menu-doctor.json")"
  reply_by hvlaunch '^doctor' 'echo "the doctor on $*"'
  reply systemctl 1
  reply hvlaunch 0 '^autostart begin'
}

# Whoever runs is noted in the root: guests are not what is tested here.
real_hvlaunch() {
  local real="env XDG_CONFIG_HOME=\"\$root/xdg\" XDG_STATE_HOME=\"\$root/state\" XDG_CACHE_HOME=\"\$root/cache\" XDG_RUNTIME_DIR=\"\$root/run\" '$HVLAUNCH' --user"
  reply_by hvlaunch '' "exec $real \"\$@\""
  reply_by hvlaunch '^--json list$' "$real --json list | jq -c --argjson on \"\$(cd \"\$root/run\"; printf '%s\n' *.runs | jq -Rnc '[inputs | rtrimstr(\".runs\")]')\" 'map(if IN(.name; \$on[]) then . + {state: \"running\", vcpus: 2, memory_mib: 4096, accelerator: \"kvm\"} else . end)'"
  reply_by hvlaunch '^--json status ' "said=\$($real --json status \"\$3\"); if [[ -e \$root/run/\$3.runs ]]; then said='{\"vm\":\"'\$3'\",\"state\":\"running\"}'; fi; printf '%s\n' \"\$said\""
  reply_by hvlaunch '^start ' 'touch "$root/run/$2.runs"; echo "$2 runs (kvm, 2 vCPUs, 4096 MiB)"'
  reply_by hvlaunch '^(stop|kill) ' 'rm "$root/run/$2.runs"; echo "$2 is stopped"'
}

# vm NAME [TEXT]
vm() {
  local text=${2:-'{"name": "'$1'", "cpus": 2, "memory_mb": 4096'\}}
  printf '%s\n' "$text" >"$HV_ROOT/etc/hypervisor/vm-profiles/$1.json"
}

menu() { run script suite/hypervisor-menu "$@"; }

# on_terminal [COLUMNS ROWS] ARG...
on_terminal() {
  local columns=80 rows=24
  if [[ ${1:-} =~ ^[0-9]+$ ]]; then
    columns=$1 rows=$2
    shift 2
  fi
  terminal "$columns" "$rows" env -u BASH_ENV HV_ROOT="$HV_ROOT" "$MENU" "$@"
}
