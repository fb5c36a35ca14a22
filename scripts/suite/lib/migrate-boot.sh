# shellcheck shell=bash disable=SC2154 # of common.sh
# SPDX-License-Identifier: MIT
#
# How this host boots: its boot loader, swap space, and where it resumes from; needs
# common.sh and nix-values.sh. Devices are named by what survives another order of disks.
#
#   boot_settings             # lines of a module
#
# What hardware-configuration.nix says already is not said twice: lists would be joined.

hardware_says() {
  local file=$host/etc/nixos/hardware-configuration.nix
  [[ -r $file && $(<"$file") == *"$1"* ]]
}

# Fills `link_of` with the symbolic links that are read here, in one go and before
# anything is written: later a failure would look like a host without them.
declare -A link_of
read_links() {
  local roots=() path link text
  for path in /etc/localtime /dev/disk /dev/mapper /sys/dev/block; do
    [[ ! -e $host$path && ! -L $host$path ]] || roots+=("$host$path")
  done
  link_of=()
  ((${#roots[@]})) || return 0
  text=$(find "${roots[@]}" -type l -printf '%p\t%l\n')
  while IFS=$'\t' read -r path link; do
    [[ -z $path ]] || link_of[${path#"$host"}]=$link
  done <<<"$text"
}

# name_in FOLDER NODE: the name in /dev/disk/FOLDER that leads to a device node. udev's
# links lead straight to the kernel's name.
name_in() {
  local path found='' kernel
  kernel=$(kernel_name "$2")
  for path in "${!link_of[@]}"; do
    [[ $path == "/dev/disk/$1/"* && ${link_of[$path]##*/} == "$kernel" ]] || continue
    # The same of several each time.
    [[ $found && $found < $path ]] || found=$path
  done
  printf '%s' "$found"
  [[ $found ]]
}

# steady_name NODE: /dev/disk/by-uuid/... if there is one, else what comes next to it.
steady_name() {
  name_in by-uuid "$1" || name_in by-partuuid "$1" || name_in by-id "$1" || printf '%s' "$1"
}

kernel_name() {
  local link=${link_of[$1]:-$1}
  printf '%s' "${link##*/}"
}

# Of what a mapped device consists: the first, as LUKS has one only.
below_mapping() {
  local slave
  for slave in "$host/sys/class/block/$1/slaves"/*; do
    [[ -e $slave || -L $slave ]] || continue
    printf '/dev/%s' "${slave##*/}"
    return
  done
  return 1
}

first_line() {
  local line=''
  [[ ! -r $1 ]] || IFS= read -r line <"$1" || true
  printf '%s' "$line"
}

# luks_setting KERNEL-NAME: what opens the device below at boot, unless the hardware's
# file does.
luks_setting() {
  local mapping below
  mapping=$(first_line "$host/sys/class/block/$1/dm/name")
  hardware_says "luks.devices.\"$mapping\"" && return
  if ! below=$(below_mapping "$1"); then
    warn "what lies below the encrypted '/dev/mapper/$mapping' could not be found; add boot.initrd.luks.devices.\"$mapping\".device"
    return
  fi
  printf '  boot.initrd.luks.devices.%s.device = %s;\n' "$(nix_string "$mapping")" "$(nix_string "$(steady_name "$below")")"
}

# Sets `swap_entry` (an element of swapDevices) and prints other lines that it needs.
swap_partition() {
  local kernel below
  kernel=$(kernel_name "$1")
  swap_entry=''
  case $(first_line "$host/sys/class/block/$kernel/dm/uuid") in
  CRYPT-PLAIN-*)
    # A new key at each boot: nothing in it has a name that lasts.
    below=$(below_mapping "$kernel") || below=''
    if ! below=$(name_in by-partuuid "$below" || name_in by-id "$below"); then
      warn "the encrypted swap space '$1' lies on nothing that has a lasting name, leaving it out"
      return
    fi
    swap_entry="{ device = $(nix_string "$below"); randomEncryption.enable = true; }"
    return
    ;;
  CRYPT-LUKS*) luks_setting "$kernel" ;;
  esac
  swap_entry="{ device = $(nix_string "$(steady_name "$1")"); }"
}

swap_settings() {
  local file=$host/proc/swaps path type size entries='' device
  [[ -r $file ]] || return 0
  while read -r path type size _; do
    [[ $path == /* ]] || continue
    printf -v path '%b' "${path//\\/\\0}" # the kernel writes a space as \040
    case $type:$path in
    *:/dev/zram*) printf '  zramSwap.enable = true;\n' && continue ;;
    file:*) swap_entry="{ device = $(nix_string "$path"); size = $(((size + 4) / 1024)); }" ;;
    *) swap_partition "$path" ;;
    esac
    device=${swap_entry#*= } device=${device%%;*}
    [[ -z $swap_entry ]] || hardware_says "$device" || entries+="    $swap_entry"$'\n'
  done <"$file"
  [[ -z $entries ]] || printf '  swapDevices = [\n%s  ];\n' "$entries"
}

# resume_device: where the last hibernation is looked for, from the kernel's own words.
resume_device() {
  local word numbers node
  for word in $(first_line "$host/proc/cmdline"); do
    case $word in
    resume=UUID=*) printf '/dev/disk/by-uuid/%s' "${word#*UUID=}" && return ;;
    resume=LABEL=*) printf '/dev/disk/by-label/%s' "${word#*LABEL=}" && return ;;
    resume=PARTUUID=*) printf '/dev/disk/by-partuuid/%s' "${word#*PARTUUID=}" && return ;;
    resume=/dev/disk/*) printf '%s' "${word#resume=}" && return ;;
    resume=/dev/*) steady_name "${word#resume=}" && return ;;
    esac
  done
  numbers=$(first_line "$host/sys/power/resume")
  [[ $numbers == *:* && $numbers != 0:0 ]] || return 0
  node=${link_of["/sys/dev/block/$numbers"]:-}
  [[ -z $node ]] || steady_name "/dev/${node##*/}"
}

resume_settings() {
  local device word
  device=$(resume_device)
  [[ $device ]] && ! hardware_says boot.resumeDevice || return 0
  nix_setting boot.resumeDevice "$device"
  for word in $(first_line "$host/proc/cmdline"); do
    [[ $word != resume_offset=* ]] || printf '  boot.kernelParams = %s;\n' "$(nix_list "$word")"
  done
}

# The old configuration.nix names the boot loader, and it is not read any more.
loader_settings() {
  local fields=() device
  [[ ! -r $host/boot/grub/state ]] || mapfile -t fields <"$host/boot/grub/state"
  if [[ -d $host/sys/firmware/efi && ${#fields[@]} -eq 0 ]]; then
    printf '  boot.loader.systemd-boot.enable = true;\n  boot.loader.efi.canTouchEfiVariables = true;\n'
    return
  fi
  device=${fields[3]:-}
  if [[ -d $host/sys/firmware/efi ]]; then
    printf '  boot.loader.grub.enable = true;\n  boot.loader.grub.efiSupport = true;\n  boot.loader.efi.canTouchEfiVariables = true;\n'
    device=nodev
  fi
  if [[ -z $device ]]; then
    warn "the disk that this host boots from could not be found; set boot.loader.grub.device in $settings/configuration/system-local.nix"
    return
  fi
  nix_setting boot.loader.grub.device "${device%%,*}"
}

boot_settings() {
  loader_settings
  swap_settings
  resume_settings
}
