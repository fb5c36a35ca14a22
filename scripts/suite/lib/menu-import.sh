# shellcheck shell=bash disable=SC2154,SC2034,SC2086,SC2174 # names of common.sh and of each other; codes are numbers
# SPDX-License-Identifier: MIT
#
# VMs from elsewhere: a disk image, a profile of another host, a libvirt domain's XML.
# The original is never written to.

import_usage() {
  cat <<EOF2
usage: $program import FILE [NAME]

FILE is a disk image (qcow2 or raw), a profile (.json), or a libvirt domain (.xml). A disk
image stays where it is, as what the VM's own disk starts as. Of a libvirt domain the basic
facts are taken over, and it is said what was not.
EOF2
}

import_command() {
  local file=${1:-} name=${2:-}
  case $file in
  '' | -*)
    import_usage
    [[ $file == --help ]] || exit $exit_usage
    return
    ;;
  esac
  (($# <= 2)) || die $exit_usage "one file at a time" "see $program import --help"
  [[ -f $file && -r $file ]] || die 1 "there is no readable file '$file'"
  file=$(readlink -f -- "$file")
  require_commands hvlaunch
  case $file in
  *.json) import_profile "$file" "$name" ;;
  *.xml) import_libvirt "$file" "$name" ;;
  *) import_disk "$file" "$name" ;;
  esac
}

# import_name GIVEN OTHERWISE
import_name() {
  local name=${1:-$2}
  [[ $name =~ $vm_name_pattern ]] ||
    die $exit_usage "'$name' cannot be the name of a VM" "give one: $program import FILE NAME"
  say "$name"
}

import_create() {
  change hvlaunch create "$@" || die 1 "the VM was not made" "mend what is said above, and run this again"
}

import_profile() {
  local name
  hvlaunch check "$1" || die $exit_data "'$1' is not a right profile" "mend it, and run this again"
  name=${1##*/}
  name=$(import_name "$2" "${name%.json}") || exit
  import_create "$name" --from "$1"
}

import_disk() {
  local name info
  require_commands qemu-img jq
  info=$(qemu-img info --output=json -- "$1") || die $exit_data "'$1' is not a disk image" "give an image, a .json profile or a libvirt .xml"
  case $(jq -r .format <<<"$info") in
  qcow2 | raw) ;;
  *) die $exit_data "'$1' is of the format $(jq -r .format <<<"$info")" "make a qcow2 of it first: qemu-img convert -O qcow2 '$1' new.qcow2" ;;
  esac
  # An image that leans on another names a file of the host's that nobody looked at.
  [[ $(jq -r '."backing-filename" // ""' <<<"$info") == "" ]] || die $exit_data "'$1' needs another image: $(jq -r '."backing-filename"' <<<"$info")" "make one of both: qemu-img convert -O qcow2 '$1' new.qcow2"
  name=${1##*/}
  name=$(import_name "$2" "${name%.*}") || exit
  import_create "$name" --set "disk_image_path=$1" --set "disk_gb=$(jq -r '(."virtual-size" / 1073741824) | ceil' <<<"$info")"
}

# libvirt

xml() { xmllint --nonet --xpath "$1" "$xml_file" 2>/dev/null; }

import_libvirt() {
  local xml_file=$1 name words=()
  require_commands xmllint jq
  xmllint --nonet --noout "$xml_file" || die $exit_data "'$xml_file' is not well-formed XML"
  [[ $(xml 'name(/*)') == domain ]] || die $exit_data "'$xml_file' does not describe a libvirt domain" "make it with: virsh dumpxml --inactive NAME >NAME.xml"
  name=$(import_name "$2" "$(xml 'string(/domain/name)')") || exit
  libvirt_words
  import_create "$name" "${words[@]}"
  libvirt_left_out
}

libvirt_words() {
  local value
  value=$(libvirt_memory_mib) || exit
  words+=(--set "memory_mb=$value")
  value=$(xml 'string(/domain/vcpu)')
  [[ $value =~ ^[0-9]+$ ]] || die $exit_data "'$xml_file' does not say how many vCPUs: '$value'"
  words+=(--set "cpus=$value")
  value=$(xml 'string(/domain/os/type/@arch)')
  [[ -z $value || $value == x86_64 ]] || words+=(--set "arch=$value")
  value=$(xml 'string(/domain/uuid)')
  [[ -z $value ]] || words+=(--set "uuid=$value")
  if [[ $(xml 'string(/domain/os/@firmware)') == efi || -n $(xml 'string(/domain/os/loader)') ]]; then words+=(--set firmware=uefi); else words+=(--set firmware=bios); fi
  value=$(xml 'string(/domain/devices/disk[not(@device) or @device="disk"][1]/source/@file)')
  if [[ -n $value ]]; then words+=(--set "disk_image_path=$value"); else words+=(--set disk_gb=0); fi
  value=$(xml 'string(/domain/devices/disk[@device="cdrom"][1]/source/@file)')
  [[ -z $value ]] || words+=(--set "iso_path=$value")
  value=$(xml 'string(/domain/devices/interface[1]/source/@bridge)')
  if [[ -n $value ]]; then
    words+=(--set network.mode=bridge --set "network.bridge=$value")
  elif [[ $(xml 'count(/domain/devices/interface)') == 0 ]]; then
    words+=(--set network.mode=none)
  fi
  [[ $(xml 'count(/domain/devices/tpm)') == 0 ]] || words+=(--set tpm.enable=true)
  libvirt_hostdevs
}

libvirt_memory_mib() {
  local number unit
  number=$(xml 'string(/domain/memory)')
  unit=$(xml 'string(/domain/memory/@unit)')
  [[ $number =~ ^[0-9]{1,15}$ ]] || die $exit_data "'$xml_file' does not say how much memory: '$number'"
  case ${unit:-KiB} in
  b | bytes) say $((number / 1048576)) ;;
  k | KiB) say $((number / 1024)) ;;
  M | MiB) say "$number" ;;
  G | GiB) say $((number * 1024)) ;;
  *) die $exit_data "'$xml_file' counts memory in '$unit'" "write it in KiB" ;;
  esac
}

libvirt_hostdevs() {
  local count i at list=()
  count=$(xml 'count(/domain/devices/hostdev[@type="pci"])')
  for ((i = 1; i <= count; i++)); do
    at="/domain/devices/hostdev[@type='pci'][$i]/source/address"
    list+=("$(printf '%04x:%02x:%02x.%x' "$(xml "string($at/@domain)")" "$(xml "string($at/@bus)")" "$(xml "string($at/@slot)")" "$(xml "string($at/@function)")")") ||
      die $exit_data "'$xml_file' has a device with a PCI address that cannot be read"
  done
  ((${#list[@]} == 0)) || words+=(--set "hostdevs=$(printf '%s\n' "${list[@]}" | jq -Rcn '[inputs]')")
}

# What the domain has beyond that, by the names of its elements.
libvirt_left_out() {
  local element count list=()
  for element in 'disk[not(@device) or @device="disk"]' 'interface'; do
    count=$(xml "count(/domain/devices/$element)")
    ((count <= 1)) || list+=("${element%%[*} 2 to $count")
  done
  while IFS= read -r element; do list+=("$element"); done < <(
    xml '/domain/*[not(self::name or self::memory or self::currentMemory or self::vcpu or self::os or self::uuid or self::devices or self::metadata)] | /domain/devices/*[not(self::disk or self::interface or self::hostdev[@type="pci"] or self::tpm or self::emulator or self::controller or self::console or self::serial or self::input or self::memballoon)]' |
      sed -nE 's/^<([A-Za-z0-9]+).*/\1/p' | sort -u
  )
  [[ $(xml 'count(/domain/devices/interface/mac)') == 0 ]] || list+=("the network card's MAC address")
  ((${#list[@]} == 0)) || warn "not taken over: $(printf '%s, ' "${list[@]}" | sed 's/, $//'); look at \`hvlaunch plan\`, and edit the profile"
}

# The menu's part

import_menu() {
  local file name words=() xml_name
  for file in "$host"/etc/libvirt/qemu/*.xml; do
    [[ ! -f $file ]] || words+=("${file##*/}" "A libvirt domain of this host")
  done
  if ((${#words[@]} > 0)); then
    file=$(ui_menu "Migration and import" "Domains of libvirt's on this host:" "${words[@]}" '[other]' "Another file") || return 0
  else
    file='[other]'
  fi
  if [[ $file == '[other]' ]]; then
    file=$(ui_input "Migration and import" "A disk image (qcow2, raw), a profile (.json) or a libvirt domain (.xml):" "/") || return 0
  else
    file=$host/etc/libvirt/qemu/$file
  fi
  xml_name=${file##*/}
  name=$(ui_input "Migration and import" "The name of the VM:" "${xml_name%.*}") || return 0
  ui_run "Import $name" again import "$file" "$name" || true
}
