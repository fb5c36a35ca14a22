# shellcheck shell=bash disable=SC2154,SC2034,SC2086,SC2174 # names of common.sh and of each other; codes are numbers
# SPDX-License-Identifier: MIT
#
# The setup wizard: asks all first, shows what it will do, and only then does it by
# `hypervisor-menu setup`, which may be run again wherever it stopped.

readonly setup_mark=$state_directory/setup-done
readonly vm_name_pattern='^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'

setup_usage() {
  cat <<EOF2
usage: $program setup [--storage DIR] [--bridge NAME [--make-bridge]] [--autostart-timeout N]
           [--hugepages N] [--vm NAME [--memory SIZE] [--cpus N] [--disk GB] [--iso NAME]
           [--prefer-hugepages] [--device ADDRESS]...]

What the setup wizard does when all is answered. Nothing that is there already is
overwritten; what is done already is not done again.

  --storage DIR          disks of VMs are kept in DIR
  --bridge NAME          the network of the VM; with --make-bridge it is made
  --autostart-timeout N  seconds of the countdown at boot, into a new config.json
  --hugepages N          reserve N huge pages of the kernel's size, now and at later boots
  --vm NAME              make a first VM
EOF2
}

# Should the wizard come by itself? No VM yet, and never answered.
setup_is_due() {
  local listed
  [[ ! -e $setup_mark ]] || return 1
  listed=$(hvlaunch_json list 2>/dev/null) || return 1
  [[ $(jq length <<<"$listed" 2>/dev/null) == 0 ]]
}

setup_arguments() {
  storage='' bridge='' make_bridge='' timeout='' vm='' memory=AUTO_DETECT cpus=AUTO_DETECT disk=20 iso='' hugepages='' prefer='' devices=()
  while (($#)); do
    case $1 in
    --make-bridge) make_bridge=1 ;;
    --prefer-hugepages) prefer=1 ;;
    --storage | --bridge | --autostart-timeout | --vm | --memory | --cpus | --disk | --iso | --hugepages | --device)
      (($# > 1)) || die $exit_usage "$1 needs a value" "see $program setup --help"
      case $1 in
      --storage) storage=$2 ;;
      --bridge) bridge=$2 ;;
      --autostart-timeout) timeout=$2 ;;
      --vm) vm=$2 ;;
      --memory) memory=$2 ;;
      --cpus) cpus=$2 ;;
      --disk) disk=$2 ;;
      --iso) iso=$2 ;;
      --hugepages) hugepages=$2 ;;
      --device) devices+=("$2") ;;
      esac
      shift
      ;;
    *) die $exit_usage "'$1' is no option of setup" "see $program setup --help" ;;
    esac
    shift
  done
}

# All that can be refused is refused before anything is done.
setup_refuse() {
  [[ -z $storage || $storage == /* ]] || die $exit_usage "'$storage' is not an absolute path"
  [[ -z $storage || ! -e $host$storage || -d $host$storage ]] || die 1 "'$storage' is there, and is no directory" "name another"
  [[ -z $bridge || $bridge =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$ ]] || die $exit_usage "'$bridge' cannot be the name of a bridge" "at most 15 letters, digits, '.', '_' or '-'"
  [[ -z $bridge || -n $make_bridge || -d $host/sys/class/net/$bridge/bridge ]] || die 1 "this host has no bridge '$bridge'" "--make-bridge makes it"
  [[ -z $make_bridge || ! -e $host/sys/class/net/$bridge || -d $host/sys/class/net/$bridge/bridge ]] || die 1 "'$bridge' is there, and is no bridge" "take another name"
  [[ -z $timeout || $timeout =~ ^[0-9]{1,4}$ ]] || die $exit_usage "'$timeout' is not a number of seconds"
  [[ -z $hugepages || $hugepages =~ ^[0-9]{1,7}$ ]] || die $exit_usage "'$hugepages' is not a number of huge pages"
  [[ -z $vm || $vm =~ $vm_name_pattern ]] || die $exit_usage "'$vm' cannot be the name of a VM" "letters, digits, '.', '_' and '-', at most 64, a letter or digit first"
  [[ -z $iso || -f $iso_directory/$iso ]] || die 1 "there is no image '$iso' in $iso_directory" "download it first: $program iso download URL"
}

setup_command() {
  local storage bridge make_bridge timeout vm memory cpus disk iso hugepages prefer devices
  if [[ ${1:-} == --help ]]; then
    setup_usage
    return
  fi
  setup_arguments "$@"
  setup_refuse
  require_commands hvlaunch jq
  setup_storage
  setup_bridge
  setup_hugepages
  setup_config
  setup_vm
  setup_done
  [[ -n $dry_run ]] || say "all is set up"
}

setup_done() {
  [[ ! -e $setup_mark ]] || return 0
  change mkdir -p -m 0755 "$state_directory" || die 1 "'$state_directory' cannot be made"
  printf 'done at %s\n' "$(date -u +%FT%TZ)" | put_file "$setup_mark" 0644 || die 1 "'$setup_mark' cannot be written" "run this again: what is done is not done again"
}

# Disks elsewhere: a link, as long as there are none here.
setup_storage() {
  local disks=$state_directory/disks target
  if [[ -z $storage || $storage == "${disks#"$host"}" ]]; then
    change mkdir -p -m 0750 "$disks" "$state_directory/isos" || die 1 "'$disks' cannot be made" "look at the file system of $state_directory"
    return
  fi
  target=$host$storage
  if [[ -L $disks && $(readlink "$disks") == "$target" ]]; then return; fi
  [[ ! -L $disks ]] || die 1 "disks are in '$(readlink "$disks")' already" "leave out --storage"
  change mkdir -p -m 0750 "$target" || die 1 "'$storage' cannot be made" "look at its file system"
  if [[ -d $disks ]]; then
    change rmdir "$disks" || die 1 "there are disks in '$disks' already" "leave out --storage, or move them to $storage first"
  fi
  change mkdir -p -m 0755 "$state_directory" || die 1 "'$state_directory' cannot be made"
  change ln -s "$target" "$disks" || die 1 "'$disks' cannot be made" "run this again"
}

setup_bridge() {
  [[ -n $make_bridge ]] || return 0
  if [[ ! -d $host/sys/class/net/$bridge/bridge ]]; then
    change ip link add name "$bridge" type bridge || die 1 "the bridge '$bridge' cannot be made" "run this again, or without --make-bridge"
  fi
  change ip link set dev "$bridge" up || die 1 "the bridge '$bridge' does not come up" "run this again"
  bridge_at_boot
}

# systemd-networkd's files where it runs; elsewhere who sets up the network does, and it
# is said what it needs.
bridge_at_boot() {
  local file=$host/etc/systemd/network/40-$bridge
  if [[ -e $host/etc/NIXOS ]]; then
    say "for later boots, in configuration/system-local.nix: networking.bridges.$bridge.interfaces = [ ];"
  elif systemctl is-active --quiet systemd-networkd; then
    [[ -e $file.netdev ]] || printf '[NetDev]\nName=%s\nKind=bridge\n' "$bridge" | put_file "$file.netdev" 0644 || die 1 "'$file.netdev' cannot be written" "run this again"
    [[ -e $file.network ]] || printf '[Match]\nName=%s\n\n[Link]\nRequiredForOnline=no\n\n[Network]\nConfigureWithoutCarrier=yes\n' "$bridge" | put_file "$file.network" 0644 || die 1 "'$file.network' cannot be written" "run this again"
  else
    say "for later boots: \`hvlaunch doctor\` says what this distribution needs for a bridge"
  fi
}

setup_hugepages() {
  local file=$host/etc/sysctl.d/60-hvlaunch-hugepages.conf
  [[ -n $hugepages ]] || return 0
  change sysctl -q -w "vm.nr_hugepages=$hugepages" || die 1 "the kernel does not reserve $hugepages huge pages" "take fewer, or none"
  if [[ -e $host/etc/NIXOS ]]; then
    say "for later boots, in configuration/system-local.nix: boot.kernel.sysctl.\"vm.nr_hugepages\" = $hugepages;"
  else
    printf 'vm.nr_hugepages=%s\n' "$hugepages" | put_file "$file" 0644 || die 1 "'$file' cannot be written" "run this again"
  fi
}

setup_config() {
  local file=$settings/config.json text
  [[ -n $timeout ]] || return 0
  if [[ -e $file ]]; then
    say "$file is there already and stays as it is"
    return
  fi
  text=$(jq -n --argjson seconds "$((10#$timeout))" '{features: {autostart_timeout_sec: $seconds}}') || die 1 "jq failed" "run this again"
  put_file "$file" 0644 <<<"$text" ||
    die 1 "'$file' cannot be written" "run this again: what is done is not done again"
}

setup_vm() {
  local words=()
  [[ -n $vm ]] || return 0
  if [[ -e $settings/vm-profiles/$vm.json || -e $state_directory/vm-profiles/$vm.json ]]; then
    say "there is a VM '$vm' already; it stays as it is"
    return
  fi
  words=(--set "memory_mb=$memory" --set "cpus=$cpus" --set "disk_gb=$disk")
  [[ -z $bridge ]] || words+=(--set network.mode=bridge --set "network.bridge=$bridge")
  [[ -z $iso ]] || words+=(--set "iso_path=$iso")
  [[ -z $prefer ]] || words+=(--set hugepages.policy=prefer)
  ((${#devices[@]} == 0)) || words+=(--set "hostdevs=$(printf '%s\n' "${devices[@]}" | jq -Rcn '[inputs]')")
  change hvlaunch create "$vm" "${words[@]}" || die 1 "the VM '$vm' was not made" "mend what is said above, and run this again: what is done is not done again"
}

# The wizard

setup_wizard() {
  local words=() storage='' bridge='' vm='' summary
  case $(ui_menu "Setup wizard" "Bridge, storage, and a first VM. Nothing is changed before you have seen it all." \
    go "Begin" \
    later "Later: ask again at the next boot" \
    never "Never ask again") in
  go) ;;
  never)
    ui_run "Setup wizard" setup_done || true
    return 0
    ;;
  *) return 1 ;;
  esac
  wizard_host || return 1
  wizard_storage || return 1
  wizard_bridge || return 1
  wizard_hugepages || return 1
  wizard_vm || return 1
  wizard_timeout || return 1
  summary=$(wizard_summary) || return 1
  ui_yesno "Setup wizard" "$summary" || return 1
  ui_run "Setup wizard" again setup "${words[@]}"
}

wizard_host() {
  ui_message "This host" "$(preflight_summary)"$'\n\n'"$(preflight_wrong 2>/dev/null | head -c 6000)"
}

wizard_storage() {
  local free
  free=$(df -h --output=avail "$state_directory" 2>/dev/null | tail -n 1) || free=
  storage=$(ui_input "Storage" "Where are the disks of VMs kept?${free:+ Here are${free} free.}" "${state_directory#"$host"}/disks") || return 1
  words+=(--storage "$storage")
}

wizard_bridge() {
  local path choices=()
  for path in "$host"/sys/class/net/*/bridge; do
    [[ -d $path ]] || continue
    path=${path%/bridge}
    choices+=("${path##*/}" "This bridge of the host's")
  done
  bridge=$(ui_menu "Network" "How do VMs reach the network?" "${choices[@]}" \
    '[user]' "Through QEMU: out, and nothing comes in" \
    '[new]' "A new bridge; a network card is joined to it later") || return 1
  case $bridge in
  '[user]') bridge= ;;
  '[new]')
    bridge=$(ui_input "Network" "The new bridge's name:" br0) || return 1
    words+=(--bridge "$bridge" --make-bridge)
    ;;
  *) words+=(--bridge "$bridge") ;;
  esac
}

# Proposed only where doctor misses them.
wizard_hugepages() {
  local remedy count
  remedy=$(doctor_json 2>/dev/null | jq -r '.checks[] | select(.id == "hugepages" and .status != "ok") | "\(.found). \(.remedy // "")"' 2>/dev/null) || return 0
  [[ -n $remedy ]] || return 0
  count=$(ui_input "Huge pages" "$remedy"$'\n\n'"How many to reserve now and at later boots? 0: none." 0) || return 1
  [[ ! $count =~ ^0*$ ]] || return 0
  words+=(--hugepages "$count")
}

wizard_vm() {
  local memory cpus disk image=none choices=() name
  if ! ui_yesno "First VM" "Make a first VM?"; then
    return 0
  fi
  vm=$(ui_input "First VM" "Its name (letters, digits, '.', '_', '-'):" vm1) || return 1
  memory=$(ui_input "First VM" "Its memory, like 4096 (MiB) or 8G:" 4096) || return 1
  cpus=$(ui_input "First VM" "Its virtual CPUs:" 2) || return 1
  disk=$(ui_input "First VM" "Its disk in GiB; it takes room only as it fills:" 20) || return 1
  while IFS= read -r name; do choices+=("$name" "$(iso_trustworthiness "$name")"); done < <(iso_images)
  ((${#choices[@]} == 0)) || image=$(ui_menu "First VM" "The CD image in its drive:" none "None for now" "${choices[@]}") || return 1
  words+=(--vm "$vm" --memory "$memory" --cpus "$cpus" --disk "$disk")
  [[ $image == none ]] || words+=(--iso "$image")
  [[ " ${words[*]} " != *" --hugepages "* ]] || words+=(--prefer-hugepages)
  wizard_devices
}

# Only devices that a guest can get as things are.
wizard_devices() {
  local choices=() address text picked
  while IFS=$'\t' read -r address text; do choices+=("$address" "$text" off); done < <(
    hvlaunch_json vfio list 2>/dev/null | jq -r '.devices[] | select(.may_be_passed) | [.address, .name] | @tsv' 2>/dev/null
  )
  ((${#choices[@]} > 0)) || return 0
  picked=$(ui_checklist "Devices" "Devices of the host for $vm, taken while it runs:" "${choices[@]}") || return 1
  while IFS= read -r address; do [[ -z $address ]] || words+=(--device "$address"); done <<<"$picked"
}

wizard_timeout() {
  local seconds
  [[ ! -e $settings/config.json ]] || return 0
  seconds=$(ui_input "Autostart" "At boot the VM that ran last starts after a countdown. How many seconds? 0: never." "$autostart_default_seconds") || return 1
  words+=(--autostart-timeout "$seconds")
}

# In words: a dry run's are for a log. What it refuses is said here already.
wizard_summary() {
  local said storage bridge make_bridge timeout vm memory cpus disk iso hugepages prefer devices
  if ! said=$(again --dry-run setup "${words[@]}" 2>&1); then
    ui_message "Setup wizard" "This cannot be done:"$'\n'"$said"
    return 1
  fi
  setup_arguments "${words[@]}"
  say "This will be done:"
  say "- disks of VMs are kept in $storage"
  [[ -z $make_bridge ]] || say "- a new bridge, $bridge"
  [[ -z $hugepages ]] || say "- $hugepages huge pages are reserved, now and at later boots"
  [[ -z $timeout ]] || say "- a new config.json, with a countdown of $timeout seconds at boot"
  [[ -z $vm ]] || {
    say "- a new VM, $vm: memory $memory, $cpus CPUs, a disk of $disk GiB"
    say "  its network: ${bridge:-through QEMU}; CD image: ${iso:-none}; devices: ${devices[*]:-none}"
  }
  printf '\nGo on?\n'
}
