# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# Made-up root trees: a host's /etc as the suite's scripts find it through HV_ROOT.
#
#   load lib/root        # in a .bats file's first lines; loads stand-in.bash too
#   new_root             # sets and exports HV_ROOT; nobody but root and system users in it
#   root_user ada 1000 'hash' 'Ada L.' wheel video
#   root_locale de_DE.UTF-8 Europe/Berlin
#   root_console de-latin1 Lat2-Terminus16
#   root_xkb us,de ,nodeadkeys grp:alt_shift_toggle
#   root_swap /dev/disk/by-uuid/...        # the line of /proc/swaps and what leads there
#   tree_of                                # path, mode, owner and content of all of /etc
#   fake_source                            # sets FAKE_SOURCE, for --source
#   run script NAME ARG...                 # scripts/NAME as root, without a terminal

bats_require_minimum_version 1.5.0 2>/dev/null || true # not when a shell reads this
SUITE_TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SOURCE_ROOT=$(cd "$SUITE_TESTS/../.." && pwd)
# shellcheck source=tests/suite/lib/stand-in.bash
source "$SUITE_TESTS/lib/stand-in.bash"

new_root() {
  HV_ROOT=${1:-$BATS_TEST_TMPDIR/root}
  export HV_ROOT
  mkdir -p "$HV_ROOT"/{etc/nixos,etc/X11/xorg.conf.d,dev/disk/by-uuid,dev/mapper,proc,sys,home,run,tmp,usr,var/lib,var/log}
  stand_in
  root_file etc/passwd 0644 'root:x:0:0:System administrator:/root:/run/current-system/sw/bin/bash' \
    'messagebus:x:4:4:D-Bus:/run/dbus:/run/current-system/sw/bin/nologin' \
    'nixbld1:x:30001:30000:Nix build user 1:/var/empty:/run/current-system/sw/bin/nologin' \
    'nobody:x:65534:65534:Unprivileged account:/var/empty:/run/current-system/sw/bin/nologin'
  # shellcheck disable=SC2016 # a hash, not a variable
  root_file etc/shadow 0600 'root:$6$rootsalt$roothash:1::::::' 'messagebus:!:1::::::' 'nixbld1:!:1::::::' 'nobody:!:1::::::'
  root_file etc/group 0644 'root:x:0:' 'wheel:x:1:' 'kmem:x:2:' 'video:x:26:' 'kvm:x:302:' 'users:x:100:' 'nixbld:x:30000:nixbld1' 'nogroup:x:65534:'
  root_file etc/os-release 0644 'ID=nixos' 'NAME=NixOS' 'VERSION_ID="24.05"'
  root_file etc/hostname 0644 testhost
  root_file etc/login.defs 0644 'UID_MIN 1000' 'UID_MAX 29999'
  root_file proc/swaps 0444 $'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority'
  root_file proc/cmdline 0444 'init=/nix/store/x/init loglevel=4'
}

# root_file PATH MODE LINE...
root_file() {
  local path=$HV_ROOT/$1 mode=$2
  shift 2
  mkdir -p "$(dirname "$path")"
  printf '%s\n' "$@" >"$path"
  chmod "$mode" "$path"
}

# root_user NAME UID HASH GECOS [GROUP...]: its own group is `users`, as NixOS has it.
root_user() {
  local name=$1 uid=$2 hash=$3 gecos=$4 group
  shift 4
  printf '%s:x:%s:100:%s:/home/%s:/run/current-system/sw/bin/bash\n' "$name" "$uid" "$gecos" "$name" >>"$HV_ROOT/etc/passwd"
  printf '%s:%s:19000::::::\n' "$name" "$hash" >>"$HV_ROOT/etc/shadow"
  for group in "$@"; do root_member "$group" "$name"; done
}

# root_member GROUP NAME: the group is made if there is none.
root_member() {
  local line lines=() found=''
  while IFS= read -r line; do
    if [[ $line == "$1":* ]]; then
      found=1
      if [[ $line == *: ]]; then line+=$2; else line+=,$2; fi
    fi
    lines+=("$line")
  done <"$HV_ROOT/etc/group"
  [[ $found ]] || lines+=("$1:x:$((900 + ${#lines[@]})):$2")
  printf '%s\n' "${lines[@]}" >"$HV_ROOT/etc/group"
}

root_locale() {
  root_file etc/locale.conf 0644 "LANG=$1"
  mkdir -p "$HV_ROOT/etc/zoneinfo/$(dirname "$2")"
  : >"$HV_ROOT/etc/zoneinfo/$2"
  ln -sfn "/etc/zoneinfo/$2" "$HV_ROOT/etc/localtime"
}

root_console() {
  root_file etc/vconsole.conf 0644 "KEYMAP=$1" ${2:+"FONT=$2"}
}

# As localed writes it. root_xkb LAYOUT [VARIANT [OPTIONS]]
root_xkb() {
  root_file etc/X11/xorg.conf.d/00-keyboard.conf 0644 'Section "InputClass"' \
    '        Identifier "system-keyboard"' '        MatchIsKeyboard "on"' \
    "        Option \"XkbLayout\" \"$1\"" ${2:+"        Option \"XkbVariant\" \"$2\""} \
    ${3:+"        Option \"XkbOptions\" \"$3\""} EndSection
}

# root_swap UUID KERNEL-NAME [MAPPER-NAME]: a partition in use as swap space; with the
# third word it is opened under that name in /dev/mapper, so it is encrypted.
root_swap() {
  local uuid=$1 kernel=$2 mapper=${3:-}
  : >"$HV_ROOT/dev/$kernel"
  ln -sfn "../../$kernel" "$HV_ROOT/dev/disk/by-uuid/$uuid"
  if [[ $mapper ]]; then
    mkdir -p "$HV_ROOT/sys/class/block/$kernel/dm"
    printf '%s\n' "$mapper" >"$HV_ROOT/sys/class/block/$kernel/dm/name"
    ln -sfn "../$kernel" "$HV_ROOT/dev/mapper/$mapper"
  fi
  chmod u+w "$HV_ROOT/proc/swaps"
  printf '/dev/%s\tpartition\t8388604\t0\t-2\n' "$kernel" >>"$HV_ROOT/proc/swaps"
}

# tree_of [FOLDER...]: everything a reader could see of these, /etc unless named.
tree_of() {
  local folder
  (($#)) || set -- etc
  for folder in "$@"; do
    [[ -e $HV_ROOT/$folder ]] || continue
    (cd "$HV_ROOT" && find "$folder" -printf '%p %m %u %l\n' -type f -exec sha256sum {} + | LC_ALL=C sort)
  done
}

# fake_source [FOLDER]: a repository with as little in it as the bootstrap asks for.
# shellcheck disable=SC2016 # Nix, not bash
fake_source() {
  FAKE_SOURCE=${1:-$BATS_TEST_TMPDIR/source}
  mkdir -p "$FAKE_SOURCE"/{scripts,nix,configuration,build,.git}
  printf '%s\n' '{' '  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";' '  outputs =' \
    '    { self, nixpkgs }:' '    {' '      nixosModules.hypervisor = { hypervisor-module = true; };' '      origin = "${self.outPath}";' '    };' '}' >"$FAKE_SOURCE/flake.nix"
  printf '{ "version": 7 }\n' >"$FAKE_SOURCE/flake.lock"
  printf '#!/bin/sh\n' >"$FAKE_SOURCE/scripts/bootstrap_nixos.sh"
  printf 'module\n' >"$FAKE_SOURCE/nix/module.nix"
  cp "$SOURCE_ROOT/configuration/configuration.nix" "$FAKE_SOURCE/configuration/"
  printf 'not to be copied\n' | tee "$FAKE_SOURCE/build/object" >"$FAKE_SOURCE/.git/HEAD"
  chmod +x "$FAKE_SOURCE/scripts/bootstrap_nixos.sh"
}

# script NAME ARG...: scripts/NAME as root, on no terminal, in a session of its own: what
# stands in may kill its group.
script() {
  local name=$1 as_root=()
  shift
  ((EUID == 0)) || as_root=(unshare --user --map-root-user)
  setsid -w "${as_root[@]}" "$SOURCE_ROOT/scripts/$name" "$@" </dev/null
}

# not_root NAME ARG...: the same by somebody else.
not_root() {
  local name=$1
  shift
  setsid -w unshare --user --map-user=1000 "$SOURCE_ROOT/scripts/$name" "$@" </dev/null
}
