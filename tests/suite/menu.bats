#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The console menu, driven by keys on a real terminal.

bats_require_minimum_version 1.5.0
load lib/root
load lib/tmux
load lib/menu

setup() { menu_host; }
teardown() {
  close_terminal
  no_unexpected_calls
}

several_vms() {
  vm web
  vm db
  vm bad '{"name": "bad", "cpus": 0, "netwrok": 1}'
  touch "$HV_ROOT/run/web.runs"
}

# page: quick-install#menu-main
@test "the main menu has the VMs and their state, the fallback GUI and More Options" {
  several_vms
  on_terminal --ui whiptail
  screen_has "More Options"
  golden menu/main
}

@test "dialog shows the same where there is no whiptail, and both use a larger terminal" {
  several_vms
  on_terminal --ui dialog
  screen_has "More Options"
  golden menu/main-dialog
  close_terminal
  on_terminal 132 43 --ui whiptail
  screen_has "More Options"
  golden menu/main-132x43
}

# page: quick-install#menu-more-options
@test "More Options has setup, images, VFIO, preflight, migration, snapshots and maintenance" {
  on_terminal
  screen_has "There is no VM yet"
  golden menu/main-no-vms
  pick "[more]"
  screen_has "Setup wizard"
  golden menu/more-options
}

@test "a VM is started, shut down and force stopped by keys, and the last is remembered" {
  vm web
  on_terminal
  screen_has "web"
  keys Enter
  screen_has "web is stopped"
  golden menu/vm
  keys Enter
  screen_has "web runs (kvm"
  [[ $(<"$HV_ROOT/var/lib/hypervisor/last-vm") == web ]]
  keys Enter
  screen_has "web is running"
  pick "Shut down"
  screen_has "web is stopped"
  keys Enter
  screen_has "Attach to"
  [[ ! -e $HV_ROOT/run/web.runs ]]
  touch "$HV_ROOT/run/web.runs"
  pick "Force stop"
  # Enter alone kills nothing.
  screen_has "What the guest has not written"
  keys Enter
  screen_has "Force stop: its disks"
  [[ -e $HV_ROOT/run/web.runs ]]
  pick "Force stop"
  screen_has "What the guest has not written"
  keys Left Enter
  screen_is_so eval '[[ ! -e $HV_ROOT/run/web.runs ]]'
  [[ $(calls hvlaunch | grep -cE "^'(start|stop|kill)' 'web'$") == 3 ]]
}

@test "a VM's errors are those of hvlaunch, and the menu lives on" {
  vm web
  reply hvlaunch 6 '^start web' 'error: /memory_mb: the host has less'
  on_terminal
  screen_has "web"
  keys Enter
  screen_has "web is stopped"
  keys Enter
  screen_has "not done (exit 6)"
  screen_has "the host has less"
  keys Enter
  screen_has "web is stopped"
}

@test "the console has the whole screen until it is left" {
  vm web
  reply_by hvlaunch '^console web' 'echo "login of web:"; read -r line </dev/tty; echo "typed $line"'
  on_terminal
  screen_has "web"
  keys Enter
  screen_has "web is stopped"
  pick "Attach to"
  screen_has "login of web:"
  type_text root
  keys Enter
  screen_has "typed root"
  screen_has "Enter goes back"
  keys Enter
  screen_has "web is stopped"
}

# page: quick-install#menu-main
@test "a broken profile is shown with its errors, and can be deleted" {
  several_vms
  on_terminal
  screen_has "BROKEN"
  keys Enter
  screen_has "unknown member 'netwrok'"
  screen_has "/cpus"
  golden menu/broken
  pick "delete"
  screen_has "Type the VM's name"
  keys Enter
  screen_has "nothing was deleted"
  keys Enter
  screen_has "unknown member"
  pick "delete"
  screen_has "Type the VM's name"
  type_text bad
  keys Enter
  screen_has "firmware variables"
  keys Enter
  screen_is_so eval '[[ ! -e $HV_ROOT/etc/hypervisor/vm-profiles/bad.json ]]'
  ! calls hvlaunch | grep -q -- --disks
}

@test "a setting is changed in the profile, and a wrong value is refused by hvlaunch" {
  vm web
  on_terminal
  screen_has "web"
  keys Enter
  screen_has "web is stopped"
  pick "Edit: memory"
  screen_has "Settings count from"
  keys Enter
  screen_has "4096"
  keys C-u
  type_text 8G
  keys Enter
  screen_has "changed; a guest"
  screen_is_so eval 'grep -q 8G "$HV_ROOT/etc/hypervisor/vm-profiles/web.json"'
  keys Enter
  screen_has "Settings count from"
  keys Enter
  screen_has "8G"
  keys C-u
  type_text nonsense
  keys Enter
  screen_has "not done (exit 3)"
  grep -q 8G "$HV_ROOT/etc/hypervisor/vm-profiles/web.json"
}

# page: quick-install#menu-gui
@test "the fallback GUI is started where the host has one, else it is said how to get it" {
  rm "$HV_ROOT/etc/os-release"
  on_terminal
  screen_has "fallback GUI"
  keys Enter
  screen_has "this host has no graphical session"
  golden menu/no-gui
  reply systemctl 0 '^cat display-manager.service'
  reply systemctl 3 '^is-active'
  reply systemctl 0 '^start display-manager.service'
  keys Enter
  screen_has "More Options"
  keys Enter
  screen_has "display-manager.service runs"
  calls systemctl | grep -qx "'start' 'display-manager.service'"
}

@test "a terminal that cannot draw gets numbered prompts" {
  several_vms
  terminal_type=dumb on_terminal
  screen_has "number, or nothing to go back:"
  golden menu/plain
  type_text 99
  keys Enter
  screen_has "'99' is not a number from 1 to 6"
  choose web
  screen_has "web is running"
  choose status
  screen_has "Enter goes on"
  keys Enter
  screen_has "Shut down"
  keys Enter
  choose "Leave"
  terminal_ends
  [[ $ended == 0 ]]
}

@test "a terminal that is too small gets numbered prompts, and is told why" {
  vm web
  on_terminal 50 12
  screen_has "this terminal has 50 x 12"
  screen_has "number, or nothing"
}

@test "the terminals of serial consoles and of the host's screen get boxes" {
  vm web
  for terminal_type in vt220 linux; do
    on_terminal
    screen_has "More Options"
    keys Down Down Enter
    screen_has "Setup wizard"
    close_terminal
  done
}

@test "Ctrl-C and Esc are a step back, and no way out of the service's menu" {
  vm web
  for kind in whiptail dialog; do
    on_terminal --service --ui $kind
    pick "web "
    screen_has "web is stopped"
    if [[ $kind == dialog ]]; then back=C-c; else back=Escape; fi
    keys $back
    screen_has "Log in at this console"
    while terminal_stirs 0.15; do :; done
    # Drawn again, with what has changed meanwhile.
    touch "$HV_ROOT/run/web.runs"
    keys $back
    screen_has running
    pick "web "
    screen_has "web is running"
    rm "$HV_ROOT/run/web.runs"
    close_terminal
  done
}

@test "Ctrl-C ends what has the whole screen, and the menu goes on" {
  vm web
  reply_by hvlaunch '^console web' 'echo "login of web:"; exec cat /dev/tty'
  on_terminal
  pick "web "
  pick "Attach to"
  screen_has "login of web:"
  keys C-c
  screen_has "exit 130"
  keys Enter
  screen_has "web is stopped"
}

@test "leaving the service's menu is a login" {
  vm web
  reply_by login '' 'echo "testhost login:"; read -r name </dev/tty'
  on_terminal --service
  screen_has "More Options"
  pick "Log in at"
  screen_has "testhost login:"
  keys Enter
  terminal_ends
  [[ $ended == 0 ]]
}

@test "without hvlaunch the menu says so, and still opens" {
  rm "$HV_ROOT/run/current-system/sw/bin/hvlaunch"
  ! PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin command -v hvlaunch
  on_terminal
  screen_has "hvlaunch is not installed"
  pick "[more]"
  screen_has "Setup wizard"
}

@test "what hvlaunch says when it knows nothing is shown" {
  reply hvlaunch 7 '^(--json )?list' 'error: /etc/hypervisor: Permission denied'
  on_terminal
  screen_has "The VMs are not known"
  screen_has "Permission denied"
}

# page: quick-install#menu-more-options
@test "a device is taken and given back after its plan was shown" {
  reply hvlaunch 0 '^vfio plan' '0000:01:00.0: nouveau -> vfio-pci'
  reply hvlaunch 0 '^vfio (bind|unbind|clear)' 'it is so'
  on_terminal
  screen_has "More Options"
  pick "[more]"
  pick "VFIO tools"
  screen_has "IOMMU groups"
  golden menu/vfio
  pick "IOMMU groups"
  screen_has "group 14"
  golden menu/vfio-groups
  keys Enter
  screen_has "Take a device"
  pick "Take a device"
  screen_has "nouveau: NVIDIA"
  # One that is bound already, a bridge and one out of order are not offered.
  ! screen | grep -qE '00:1f.0|02:00.0|03:00.0'
  keys Enter
  screen_has "nouveau -> vfio-pci"
  keys Enter
  screen_has "IOMMU groups"
  ! calls hvlaunch | grep -q "'bind'"
  pick "Take a device"
  screen_has "nouveau: NVIDIA"
  keys Enter
  screen_has "nouveau -> vfio-pci"
  keys Left Enter
  screen_has "it is so"
  keys Enter
  screen_has "IOMMU groups"
  pick "Give a device back"
  screen_has "82574L"
  keys Enter
  screen_has "it is so"
  [[ $(calls hvlaunch | grep -E "'(bind|unbind)'") == "'vfio' 'bind' '0000:01:00.0'"$'\n'"'vfio' 'unbind' '0000:02:00.0'" ]]
}

# page: quick-install#menu-more-options
@test "preflight shows what is wrong with this host, and its cure" {
  on_terminal
  screen_has "More Options"
  pick "[more]"
  pick "Preflight"
  screen_has "1 failed, 2 warnings"
  keys Enter
  screen_has "cure: usermod"
  golden menu/preflight
}

# page: quick-install#menu-more-options
@test "maintenance backs up, cleans up, shows logs, and says where updates are not its job" {
  vm web
  mkdir -p "$HV_ROOT/var/log/hypervisor"
  echo "what happened" >"$HV_ROOT/var/log/hypervisor/bootstrap.log"
  on_terminal
  screen_has "More Options"
  pick "[more]"
  pick "Maintenance"
  screen_has "Back up"
  golden menu/maintenance
  keys Enter
  screen_has "bootstrap.log"
  keys Enter
  screen_has "what happened"
  keys Enter
  screen_has "Back up"
  pick "Back up"
  screen_has "elsewhere"
  keys Enter
  screen_has "Clean up"
  pick "Clean up"
  screen_has "done"
  calls hvlaunch | grep -qx "'recover'"
  tar -tzf "$HV_ROOT"/var/lib/hypervisor/backups/configuration-*.tar.gz | grep -qx etc/hypervisor/vm-profiles/web.json
}

@test "what an operation was and how it ended is in the log" {
  vm web
  on_terminal
  screen_has "web"
  keys Enter
  screen_has "web is stopped"
  keys Enter
  screen_has "web runs"
  grep -q 'vm_start web : exit 0' "$HV_ROOT/var/log/hypervisor/menu.log"
}

@test "the screen in the manual is the menu's" {
  local shown
  shown=$(sed -n '/^```$/,/^```$/p' "$SOURCE_ROOT/docs/menu.md" | grep -F '│')
  [[ $shown == "$(grep -F '│' "$SUITE_TESTS/goldens/menu/main.txt")" ]]
}
