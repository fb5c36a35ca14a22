#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2016,SC2115 # hostile values, not bash
# A host's language, clock, keyboard, name and disks, carried over: what Nix reads from
# the module is what was there.

load lib/root

setup() { new_root; }

migrate() {
  bash -c 'set -Eeuo pipefail
    cd "$1/scripts/suite/lib"
    for name in common nix-values migrate-boot migrate-system; do source "./$name.sh"; done
    migrate_system "$2"' migrate "$SOURCE_ROOT" "${1:-box}"
}

# setting PATH: as Nix has it, in JSON; `none` if it is not set.
setting() {
  nix-instantiate --eval --strict --json --store dummy:// \
    -E "(import $HV_ROOT/etc/hypervisor/configuration/system-local.nix).$1 or \"none\"" 2>"$BATS_TEST_TMPDIR/nix-said" ||
    { cat "$BATS_TEST_TMPDIR/nix-said" >&2 && return 1; }
}

# page: quick-install#locale
@test "locale and time zone" {
  root_locale de_DE.UTF-8 America/Argentina/Buenos_Aires
  echo 'LC_TIME="en_DK.UTF-8"' >>"$HV_ROOT/etc/locale.conf"
  migrate
  [[ $(setting i18n.defaultLocale) == '"de_DE.UTF-8"' && $(setting time.timeZone) == '"America/Argentina/Buenos_Aires"' ]]
  [[ $(setting i18n.extraLocaleSettings) == '{"LC_TIME":"en_DK.UTF-8"}' ]]
}

# page: quick-install#console
@test "the console's keyboard and font" {
  root_console de-latin1-nodeadkeys Lat2-Terminus16
  migrate
  [[ $(setting console.keyMap) == '"de-latin1-nodeadkeys"' && $(setting console.font) == '"Lat2-Terminus16"' ]]
}

# page: quick-install#keyboard
@test "the graphical keyboard, for X11 and for Wayland" {
  root_xkb us,de ,nodeadkeys grp:alt_shift_toggle,ctrl:nocaps
  migrate
  [[ $(setting services.xserver.xkb) == '{"layout":"us,de","options":"grp:alt_shift_toggle,ctrl:nocaps","variant":",nodeadkeys"}' ]]
  [[ $(setting environment.sessionVariables) == '{"XKB_DEFAULT_LAYOUT":"us,de","XKB_DEFAULT_OPTIONS":"grp:alt_shift_toggle,ctrl:nocaps","XKB_DEFAULT_VARIANT":",nodeadkeys"}' ]]
}

@test "the graphical keyboard as Debian, as a Wayland session and as localectl have it" {
  root_file etc/default/keyboard 0644 '# comment' 'XKBLAYOUT="fr"' 'XKBVARIANT="bepo"'
  migrate
  [[ $(setting services.xserver.xkb) == '{"layout":"fr","variant":"bepo"}' ]]
  rm -r "$HV_ROOT"/etc/{default,hypervisor}
  root_file etc/environment 0644 'export XKB_DEFAULT_LAYOUT=ch'
  migrate
  [[ $(setting services.xserver.xkb) == '{"layout":"ch"}' ]]
  rm -r "$HV_ROOT"/etc/{environment,hypervisor}
  reply localectl 0 status $'   System Locale: LANG=de_DE.UTF-8\n       VC Keymap: (unset)\n      X11 Layout: se\n     X11 Options: (unset)'
  migrate
  [[ $(setting services.xserver.xkb) == '{"layout":"se"}' ]]
}

# page: quick-install#state-version
@test "the state version is the one the host was installed with" {
  root_file etc/nixos/configuration.nix 0644 '  # system.stateVersion = "20.09";' '  system.stateVersion = "22.11"; # Did you read the comment?'
  migrate
  [[ $(setting system.stateVersion) == '"22.11"' ]]
}

@test "another program's state version is not the system's" {
  root_file etc/nixos/configuration.nix 0644 '  system.stateVersion = "22.05";' '  home-manager.users.ada.home.stateVersion = "24.05";'
  migrate
  [[ $(setting system.stateVersion) == '"22.05"' ]]
  rm -r "$HV_ROOT/etc/hypervisor"
  root_file etc/nixos/configuration.nix 0644 '  home.stateVersion = "24.05";' '  system = {' '    stateVersion = "21.11";' '  };'
  migrate
  [[ $(setting system.stateVersion) == '"21.11"' ]]
}

@test "the way into the host: sshd and NetworkManager, and a word for what is not carried over" {
  run migrate
  [[ $output != *addresses* && $(setting services.openssh.enable) == '"none"' ]]
  rm -r "$HV_ROOT/etc/hypervisor"
  mkdir -p "$HV_ROOT"/etc/systemd/{system/multi-user.target.wants,network}
  ln -s /etc/static/gone/sshd.service "$HV_ROOT/etc/systemd/system/multi-user.target.wants/sshd.service"
  root_file etc/systemd/network/10-lan.network 0644 '[Network]' 'Address=192.0.2.7/24'
  run migrate
  [[ $status == 0 && $output == *'addresses of its own'* ]]
  [[ $(setting services.openssh.enable) == true && $(setting networking.networkmanager.enable) == '"none"' ]]
  rm -r "$HV_ROOT/etc/hypervisor"
  ln -s /etc/static/gone/NetworkManager.service "$HV_ROOT/etc/systemd/system/multi-user.target.wants/NetworkManager.service"
  run migrate
  [[ $status == 0 && $output != *'addresses of its own'* && $(setting networking.networkmanager.enable) == true ]]
}

@test "where no file says it, the state version is the release that runs" {
  migrate
  [[ $(setting system.stateVersion) == '"24.05"' ]]
  rm -r "$HV_ROOT"/etc/{os-release,hypervisor}
  run migrate
  [[ $output == *'set system.stateVersion in'* && $(setting system.stateVersion) == '"none"' ]]
}

# page: quick-install#hostname
@test "the host's name" {
  migrate other-name
  [[ $(setting networking.hostName) == '"other-name"' ]]
}

# page: quick-install#swap
@test "swap space by names that last: partitions, files, compressed memory" {
  root_swap 8f9a-1111 sda2
  root_swap 8f9a-2222 nvme0n1p3
  printf '/swap\\040file\tfile\t\t4194300\t0\t-3\n/dev/zram0\tpartition\t999\t0\t5\n' >>"$HV_ROOT/proc/swaps"
  migrate
  [[ $(setting swapDevices) == '[{"device":"/dev/disk/by-uuid/8f9a-1111"},{"device":"/dev/disk/by-uuid/8f9a-2222"},{"device":"/swap file","size":4096}]' ]]
  [[ $(setting zramSwap.enable) == true ]]
}

@test "encrypted swap space is opened at boot, by the encrypted device's own name" {
  root_swap aaaa-inner dm-1 cryptswap
  echo CRYPT-LUKS2-0123-cryptswap >"$HV_ROOT/sys/class/block/dm-1/dm/uuid"
  mkdir "$HV_ROOT/sys/class/block/dm-1/slaves"
  ln -s ../../../../sda3 "$HV_ROOT/sys/class/block/dm-1/slaves/sda3"
  ln -s ../../sda3 "$HV_ROOT/dev/disk/by-uuid/bbbb-luks"
  migrate
  [[ $(setting swapDevices) == '[{"device":"/dev/disk/by-uuid/aaaa-inner"}]' ]]
  [[ $(setting boot.initrd.luks.devices) == '{"cryptswap":{"device":"/dev/disk/by-uuid/bbbb-luks"}}' ]]
}

@test "swap space with a new key at each boot keeps having one" {
  root_swap cccc-gone dm-2 swap0
  echo CRYPT-PLAIN-swap0 >"$HV_ROOT/sys/class/block/dm-2/dm/uuid"
  mkdir -p "$HV_ROOT/sys/class/block/dm-2/slaves" "$HV_ROOT/dev/disk/by-partuuid"
  ln -s ../../../../vda5 "$HV_ROOT/sys/class/block/dm-2/slaves/vda5"
  ln -s ../../vda5 "$HV_ROOT/dev/disk/by-partuuid/dddd-05"
  migrate
  [[ $(setting swapDevices) == '[{"device":"/dev/disk/by-partuuid/dddd-05","randomEncryption":{"enable":true}}]' ]]
}

@test "what the hardware's file says is not said twice" {
  root_swap 8f9a-1111 sda2
  root_swap 8f9a-2222 sdb2
  root_file etc/nixos/hardware-configuration.nix 0644 '{ swapDevices = [ { device = "/dev/disk/by-uuid/8f9a-1111"; } ]; }'
  migrate
  [[ $(setting swapDevices) == '[{"device":"/dev/disk/by-uuid/8f9a-2222"}]' ]]
}

# page: quick-install#resume
@test "the device to resume from, as the kernel was told" {
  root_file proc/cmdline 0644 'init=/x resume=UUID=8f9a-1111 resume_offset=34816 quiet'
  migrate
  [[ $(setting boot.resumeDevice) == '"/dev/disk/by-uuid/8f9a-1111"' && $(setting boot.kernelParams) == '["resume_offset=34816"]' ]]
}

@test "the device to resume from, by its number" {
  root_swap 8f9a-1111 sda2
  mkdir -p "$HV_ROOT"/sys/{power,dev/block}
  ln -s ../../devices/pci/block/sda/sda2 "$HV_ROOT/sys/dev/block/8:2"
  echo 8:2 >"$HV_ROOT/sys/power/resume"
  migrate
  [[ $(setting boot.resumeDevice) == '"/dev/disk/by-uuid/8f9a-1111"' ]]
  rm -r "$HV_ROOT/etc/hypervisor"
  echo 0:0 >"$HV_ROOT/sys/power/resume"
  migrate
  [[ $(setting boot.resumeDevice) == '"none"' ]]
}

@test "the boot loader: systemd's, or GRUB on its disk" {
  mkdir -p "$HV_ROOT/sys/firmware/efi"
  migrate
  [[ $(setting boot.loader) == '{"efi":{"canTouchEfiVariables":true},"systemd-boot":{"enable":true}}' ]]
  rm -r "$HV_ROOT/sys/firmware" "$HV_ROOT/etc/hypervisor"
  root_file boot/grub/state 0644 grub 2.12 no /dev/disk/by-id/ata-A,/dev/sdb /boot
  migrate
  [[ $(setting boot.loader) == '{"grub":{"device":"/dev/disk/by-id/ata-A"}}' ]]
  rm -r "$HV_ROOT/boot" "$HV_ROOT/etc/hypervisor"
  run migrate
  [[ $status == 0 && $output == *'set boot.loader.grub.device in'* ]]
}

@test "odd locales become what NixOS can build, and those of none are left out" {
  # as it is | as Nix is told
  local rows=('C.UTF-8|C.UTF-8' 'C|none' 'POSIX|none' 'de_DE.utf8|de_DE.UTF-8' 'de_DE|de_DE.UTF-8' 'de_DE@euro|de_DE.UTF-8'
    'de_DE.ISO-8859-1|de_DE.UTF-8' 'sr_RS@latin|sr_RS@latin' 'sr_RS.UTF-8@latin|sr_RS@latin' 'ast_ES.UTF-8|ast_ES.UTF-8'
    'german|none' '${x}|none' '"|none' '../..|none')
  local row
  for row in "${rows[@]}"; do
    rm -rf "$HV_ROOT/etc/hypervisor"
    root_file etc/locale.conf 0644 "LANG=${row%|*}"
    migrate
    [[ $(setting i18n.defaultLocale) == "\"${row#*|}\"" ]] || { echo "$row: $(setting i18n.defaultLocale)" >&2 && return 1; }
  done
}

@test "unknown keyboards are named and left out" {
  reply localectl 0 list-keymaps $'de\nus'
  reply localectl 1 status
  root_console klingon
  root_xkb 'de"; evil' 'no${dead}keys' 'a b'
  run migrate
  [[ $status == 0 && $output == *"the console's keyboard is 'klingon', which is not among the known ones"* ]]
  [[ $(setting services.xserver.xkb.layout) == '"de"' ]]
  [[ $output == *"the keyboard's variant is"*'leaving it out'*"the keyboard's options is"* ]]
  [[ $(setting console.keyMap) == '"none"' && $(setting services.xserver.xkb.variant) == '"none"' ]]
  rm -r "$HV_ROOT/etc/hypervisor"
  root_console de
  migrate
  [[ $(setting console.keyMap) == '"de"' ]]
}

@test "files of the store that is being left are not named" {
  root_console /nix/store/abc-keymap /nix/store/def-font.psf.gz
  run migrate
  [[ $output == *"font is the file"* && $(setting console) == '{"useXkbConfig":true}' ]]
}

@test "a time zone that is none is named and left out" {
  ln -sfn '/etc/zoneinfo/Mars/Base one"' "$HV_ROOT/etc/localtime"
  run migrate
  [[ $status == 0 && $output == *"the time zone is 'Mars/Base one\"'"* && $(setting time.timeZone) == '"none"' ]]
  rm -r "$HV_ROOT/etc/hypervisor" "$HV_ROOT/etc/localtime"
  echo Asia/Kathmandu >"$HV_ROOT/etc/timezone"
  migrate
  [[ $(setting time.timeZone) == '"Asia/Kathmandu"' ]]
}

@test "a host of which nothing is known gets a module of its name alone" {
  rm -r "$HV_ROOT"/{etc,proc,dev,sys}
  mkdir "$HV_ROOT/etc"
  migrate
  [[ $(setting networking) == '{"hostName":"box"}' ]]
}
