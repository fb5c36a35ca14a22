# shellcheck shell=bash disable=SC2154,SC2034,SC2086,SC2174 # names of common.sh and of each other; codes are numbers
# SPDX-License-Identifier: MIT
#
# The countdown to the VM that ran last, once a boot, before the menu.

readonly autostart_default_seconds=10

# autostart_seconds: 0 is never. What config.json has wrong is said, and costs no boot.
autostart_seconds() {
  local file=$settings/config.json value
  if [[ ! -e $file ]]; then
    say $autostart_default_seconds
    return
  fi
  if ! value=$(jq -r '.features.autostart_timeout_sec | if . == null then "unset" else tostring end' "$file" 2>/dev/null); then
    warn "'$file' is not valid JSON: counting down $autostart_default_seconds seconds, as without it; \`jq . $file\` shows where"
    say $autostart_default_seconds
  elif [[ $value == unset ]]; then
    say $autostart_default_seconds
  elif [[ $value =~ ^[0-9]{1,4}$ ]] && ((10#$value <= 3600)); then
    say $((10#$value))
  else
    warn "features.autostart_timeout_sec in '$file' is '$value', not a whole number of seconds up to 3600: counting down $autostart_default_seconds"
    say $autostart_default_seconds
  fi
}

# autostart_forbidden VM: prints why the kernel's command line keeps it from starting.
autostart_forbidden() {
  local vm=$1 word words=() only=
  read -r -a words 2>/dev/null <"$host/proc/cmdline" || true
  for word in "${words[@]}"; do
    case $word in
    hvlaunch.rescue | hvlaunch.rescue=*)
      say "the kernel command line has hvlaunch.rescue"
      return
      ;;
    hvlaunch.autostart=off)
      say "the kernel command line has hvlaunch.autostart=off"
      return
      ;;
    hvlaunch.autostart=+*) ;;
    hvlaunch.autostart=*) only+=,${word#*=} ;;
    esac
  done
  [[ -z $only || ,$only, == *,"$vm",* ]] || say "hvlaunch.autostart of the kernel command line names others"
}

# autostart_vm: the VM to start. Without one, prints nothing and says why if it matters.
autostart_vm() {
  local vm why state
  vm=$(head -n 1 "$state_directory/last-vm" 2>/dev/null) && [[ -n $vm ]] || return 0
  if [[ ! $vm =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$ ]]; then
    warn "'$state_directory/last-vm' does not hold the name of a VM, ignoring it"
    return 0
  fi
  why=$(autostart_forbidden "$vm")
  if [[ -z $why ]] && ! state=$(vm_state "$vm" 2>/dev/null); then
    why="there is no such VM now"
  elif [[ -z $why && $state != stopped ]]; then
    return 0
  elif [[ -z $why ]] && vm_is_broken "$vm"; then
    why="its profile has errors"
  elif [[ -z $why ]] && took_host_down "$vm"; then
    why="the host went down twice running while it started; start it from the menu to end that"
  fi
  if [[ -n $why ]]; then
    warn "the last VM, '$vm', is not started: $why"
    return 0
  fi
  say "$vm"
}

# The note that a start with the host leaves behind if the host goes down with it:
# the number of boots, and of which one (docs/autostart.md).
took_host_down() {
  local times=0
  read -r times _ 2>/dev/null <"$state_directory/records/$1.start" || return 1
  [[ $times =~ ^[0-9]+$ ]] && ((times >= 2))
}

# countdown VM SECONDS: fails if a key was pressed, or if nobody can press one.
countdown() {
  local vm=$1 left status key
  interrupted=''
  for ((left = $2; left > 0; left--)); do
    printf '\r%s starts in %d s; any key stops it ' "$vm" "$left"
    status=0
    IFS= read -r -s -n 1 -t 1 key || status=$?
    # Beyond 128 the second was over; else a key, or no one there. Ctrl-C is no key to read.
    if ((status <= 128)) || [[ -n $interrupted ]]; then
      # What an arrow or function key sends besides would be the menu's first key.
      while IFS= read -r -s -n 1 -t 0.02 key; do :; done
      printf '\r%s is not started%30s\n' "$vm" ""
      return 1
    fi
  done
  printf '\r%60s\r' ""
}

# Once a boot: the service comes again after each login at its console.
autostart_last() {
  local seconds vm mark=$host/run/hypervisor-menu/counted
  [[ ! -e $mark ]] || return 0
  { mkdir -p "${mark%/*}" && : >"$mark"; } 2>/dev/null ||
    warn "'$mark' cannot be written; the countdown may come again"
  seconds=$(autostart_seconds)
  vm=$(autostart_vm)
  [[ -n $vm ]] && ((seconds > 0)) || return 0
  countdown "$vm" "$seconds" || return 0
  note "countdown: $vm starts"
  # Its note goes when the start has come to an end; docs/autostart.md.
  change hvlaunch autostart begin "$vm" || true
  say "starting $vm ..."
  vm_start "$vm" || start_failed=$vm
}
