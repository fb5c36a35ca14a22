#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What the pages promise of the flake, the module and a host that is made of them.
# tests/nix/run looks at the Nix code itself.

load lib/root
load lib/nix

# page: quick-install#iso
# page: quick-install#iso-wizard
@test "the image boots to the menu, which begins with the setup where there are no guests" {
  says '[true,true,["multi-user.target"]]' of_example 'let iso = outputs.nixosConfigurations.installer.config; in
    [ (outputs.packages.x86_64-linux.iso ? outPath) iso.hypervisor.menu.enable
      iso.systemd.services.hypervisor-menu.wantedBy ]'
  grep -qx 'ExecStart=hypervisor-menu --service' systemd/system/hypervisor-menu.service
  scripts/suite/hypervisor-menu --help | grep -A 2 -e --service | grep -q 'setup wizard on a host without VMs'
}

# page: quick-install#app-bootstrap
# page: quick-install#app-rebuild-helper
@test "the apps are the scripts in the source, which run without anything being built" {
  local app program
  copy_flake "$work/flake"
  for app in bootstrap rebuild-helper; do
    program=$(nix_run nix eval --raw --store "$work/store" --no-write-lock-file \
      --override-input nixpkgs "path:$work/flake/tests/nix/nixpkgs" "path:$work/flake#apps.x86_64-linux.$app.program")
    [[ -x $work/store$program ]]
    "$work/store$program" --help | grep -q "usage: $(basename "$program")"
  done
}

# page: quick-install#menu-service
@test "the menu is a service that starts with the host, and the login makes room" {
  says '["multi-user.target"]' of_example 'config.systemd.services.hypervisor-menu.wantedBy'
  grep -qx 'TTYPath=/dev/tty1' systemd/system/hypervisor-menu.service
  grep -q 'ConditionPathExists=|!.*/hypervisor-menu.service' systemd/system/getty@tty1.service.d/50-hypervisor-menu.conf
  says '["getty.target"]' of_example 'config.systemd.services."getty@tty2".wantedBy'
  says 'false' of_example 'config.systemd.services ? hypervisor-menu' '{ hypervisor.menu.enable = false; }'
}

# page: quick-install#no-desktop
@test "there is no graphical session unless one is asked for, and none starts with the host" {
  says 'false' of_example 'config.services.xserver.enable'
  says '[true,"multi-user.target",["graphical.target"]]' of_example \
    '[ config.services.xserver.enable config.systemd.defaultUnit config.systemd.services.display-manager.wantedBy ]' \
    '{ hypervisor.gui.enable = true; }'
}

# page: quick-install#autostart-timeout
@test "the countdown's seconds are in config.json" {
  says 0 of_example '(builtins.fromJSON config.environment.etc."hypervisor/config.json".text).features.autostart_timeout_sec' \
    '{ hypervisor.menu.autostartTimeout = (import ./tests/nix/nixpkgs/lib).mkForce 0; }'
}

# page: quick-install#per-vm-json
# page: quick-install#cpu-toggles
# page: quick-install#architectures
@test "a guest's devices, pinning, huge pages, CPU features and architecture are fields of its own profile" {
  local module='{ hypervisor.vms.odd = {
    cpus = 4; memory_mb = 4096; arch = "ARCH";
    hugepages.size = "2M"; pinning.place = "spread"; hostdevs = [ "0000:03:00.0" ];
    cpu_features = { shstk = true; ibt = true; avic = true; sev = true; sev_es = true; sev_snp = true; };
    memory_options = { guest_memfd = true; private = true; };
  }; }' arch
  for arch in x86_64 aarch64 riscv64 loongarch64; do
    of_example 'builtins.fromJSON config.environment.etc."hypervisor/vm-profiles/odd.json".text' "${module/ARCH/$arch}" |
      jq -e --arg arch "$arch" '.arch == $arch and .cpu_features.sev_snp and .memory_options.private
        and .hostdevs == ["0000:03:00.0"] and .hugepages.size == "2M" and .pinning.place == "spread"'
  done
}

# page: quick-install#access-groups
@test "the access groups are there, and administrators are in them" {
  says '[true,true,["hvlaunch","kvm","wheel"]]' of_example '[ (config.users.groups ? kvm) (config.users.groups ? hvlaunch)
    (builtins.sort builtins.lessThan config.users.users.alice.extraGroups) ]'
}

bootstrapped() {
  new_root
  root_user ada 1000 '$6$salt$hash' "Ada \"L.\" \${x} ''" wheel video
  root_locale de_DE.UTF-8 Europe/Berlin
  root_console de-latin1 Lat2-Terminus16
  reply nixos-rebuild 0
  reply systemctl 0
  reply nixos-generate-config 0 '' '{ nixpkgs.hostPlatform = "x86_64-linux"; boot.loader.grub.device = "/dev/sda"; fileSystems."/" = { device = "/dev/sda1"; fsType = "ext4"; }; }'
  copy_flake "$BATS_TEST_TMPDIR/source"
  script bootstrap_nixos.sh --hostname hv1 --force --skip-update-check --source "$BATS_TEST_TMPDIR/source"
}

# page: quick-install#local-modules
# page: quick-install#host-flake
@test "what the bootstrap writes is a host: its flake evaluates, with users and settings carried over" {
  bootstrapped
  says '"hv1"' of_root hv1 config.networking.hostName
  says '"Europe/Berlin"' of_root hv1 config.time.timeZone
  says '"de-latin1"' of_root hv1 config.console.keyMap
  says '"24.05"' of_root hv1 config.system.stateVersion
  says "$(jq -cn --arg text "Ada \"L.\" \${x} ''" '$text')" of_root hv1 config.users.users.ada.description
  says '1000' of_root hv1 config.users.users.ada.uid
  says true of_root hv1 'builtins.all (g: builtins.elem g config.users.users.ada.extraGroups) [ "wheel" "video" "kvm" "hvlaunch" ]'
  of_root hv1 config.system.build.toplevel.drvPath
}

# page: quick-install#local-modules-conditional
@test "local files are read only where they are" {
  bootstrapped
  rm "$HV_ROOT/etc/hypervisor/configuration/users-local.nix" "$HV_ROOT/etc/hypervisor/configuration/system-local.nix"
  says false of_root hv1 'config.users.users ? ada'
  says null of_root hv1 config.time.timeZone
}

# page: upgrade-management#monthly
# page: upgrade-management#schedule
# page: upgrade-management#checker-off
@test "updates are looked for on the first of each month, when one wants, or never" {
  local default='{ hypervisor.updateChecker.schedule = (import ./tests/nix/nixpkgs/lib).mkForce "monthly"; }'
  says '"monthly"' of_example '(import ./nix/modules/update-checker.nix { lib = import ./tests/nix/nixpkgs/lib; config = { }; }).options.hypervisor.updateChecker.schedule.default'
  [[ $(unit nixos-update-checker.timer OnCalendar "$default") == monthly ]]
  systemd-analyze calendar --base-time=2026-01-15 monthly | grep -q '2026-02-01 00:00:00'
  [[ $(unit nixos-update-checker.timer OnCalendar) == 'Mon *-*-* 02:00:00' ]]
  says '["timers.target"]' of_example 'config.systemd.timers.nixos-update-checker.wantedBy'
  says '[false,false]' of_example \
    '[ (config.systemd.timers ? nixos-update-checker) (config.systemd.services ? nixos-update-checker) ]' \
    '{ hypervisor.updateChecker.enable = false; }'
}

# page: upgrade-management#notify
@test "the timer's service looks as hv-check-updates does, and tells administrators unless told not to" {
  [[ $(unit nixos-update-checker.service ExecStart) == '<hvlaunch>/bin/hv-check-updates' ]]
  [[ $(unit nixos-update-checker.service ExecStart '{ hypervisor.updateChecker.notifyAdmins = false; }') == *' --no-broadcast' ]]
  scripts/suite/hv-check-updates --help | grep -q -e --no-broadcast
  says '"/etc/motd.d/updates-available"' of_example config.users.motdFile
}

# page: upgrade-management#pin
@test "the release is one line of /etc/hypervisor/flake.nix, and the lock is of it" {
  bootstrapped
  [[ $(grep nixpkgs.url "$HV_ROOT/etc/hypervisor/flake.nix") =~ ^\ +(inputs\.)?nixpkgs\.url\ =\ \"github:NixOS/nixpkgs/(nixos-[0-9]{2}\.[0-9]{2})\"\;$ ]]
  [[ $(jq -r .nodes.nixpkgs.original.ref "$HV_ROOT/etc/hypervisor/flake.lock") == "${BASH_REMATCH[2]}" ]]
}

# page: upgrade-management#priorities
@test "the suite's defaults give way to what was found, and that to what somebody wrote" {
  bootstrapped
  cat >"$HV_ROOT/etc/hypervisor/configuration/system-local.nix" <<'NIX'
{ time.timeZone = "Europe/Berlin"; networking.firewall.enable = false; system.stateVersion = "24.05"; }
NIX
  says false of_root hv1 config.networking.firewall.enable
  sed -i 's|^  hypervisor.enable = .*|&\n  time.timeZone = "Asia/Tokyo";|' "$HV_ROOT/etc/hypervisor/configuration/configuration.nix"
  says '"Asia/Tokyo"' of_root hv1 config.time.timeZone
  says '"24.05"' of_root hv1 config.system.stateVersion
}
