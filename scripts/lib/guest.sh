# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# Makes the initramfs of a small Linux guest: busybox, a few drivers, and words.
#   make_initramfs OUT BUSYBOX WORDS KERNEL_MODULES
# WORDS is a shell file with the functions that guest-init calls; KERNEL_MODULES
# a folder lib/modules/<version>, of any architecture.

guest_library=$(dirname "${BASH_SOURCE[0]}")
guest_drivers=(virtio_pci virtio_mmio virtio_blk virtio_net virtio_rng virtio_balloon
  virtio_console virtio_input virtio_mem vmw_vsock_virtio_transport evdev button
  gpio_keys gpio_pl061 pvpanic_pci i6300esb isofs af_packet)

make_initramfs() {
  local out=$1 busybox=$2 words=$3 modules=$4 root
  root=$(mktemp -d)
  mkdir -p "$root"/{bin,dev,proc,sys,root,etc/acpi/PWRF}
  cp "$busybox" "$root/bin/busybox"
  cp "$guest_library/guest-init" "$root/init"
  cp "$guest_library/guest-button" "$root/etc/acpi/PWRF/00000080"
  cp "$guest_library/guest-dhcp" "$root/etc/dhcp"
  cp "$words" "$root/etc/words"
  # Without -f they would ask an init that is not there.
  echo "alias poweroff='poweroff -f' reboot='reboot -f' halt='poweroff -f'" >"$root/etc/aliases"
  chmod 755 "$root/init" "$root/etc/acpi/PWRF/00000080" "$root/etc/dhcp" "$root/bin/busybox"
  link_applets "$root/bin"
  copy_drivers "$modules" "$root"
  (cd "$root" && find . -mindepth 1 -printf '%P\n' | LC_ALL=C sort |
    cpio --quiet --reproducible -R 0:0 -o -H newc) >"$out"
  rm -rf "$root"
}

# Links made here spare the guest a slow minute of fork and exec. The list is the
# host's busybox's: an applet the guest's lacks is a link that nobody calls.
link_applets() {
  local name
  for name in $(busybox --list); do
    [[ $name == busybox ]] || ln -s busybox "$1/$name"
  done
}

# Uncompressed, since the guest's modprobe would unpack them under emulation.
copy_drivers() {
  local modules=$1 root=$2 version name
  local -A copied=()
  version=$(basename "$modules")
  mkdir -p "$root/lib/modules/$version"
  for name in "${guest_drivers[@]}"; do
    copy_driver "$name"
  done
  [[ -f $modules/modules.builtin ]] && cp "$modules/modules.builtin" "$root/lib/modules/$version"
  depmod -b "$root" "$version" 2>/dev/null
  rm -f "$root/lib/modules/$version"/modules.*.bin
}

# Copies a driver and what it depends on; one that is built in has no file.
# Works on copy_drivers' variables.
copy_driver() {
  local name=${1//-/_} file into need
  [[ -v copied[$name] ]] && return
  copied[$name]=1
  file=$(find "$modules" -name "${name//_/[-_]}.ko*" -print -quit)
  [[ $file ]] || return 0
  into=$root/lib/modules/$version
  case $file in
  *.xz) xz -dc "$file" >"$into/$name.ko" ;;
  *.zst) zstd -qdc "$file" >"$into/$name.ko" ;;
  *) cp "$file" "$into/$name.ko" ;;
  esac
  for need in $(modinfo -F depends "$into/$name.ko" | tr , ' '); do
    copy_driver "$need"
  done
}
