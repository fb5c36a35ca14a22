# shellcheck shell=bash disable=SC2154 # of common.sh
# SPDX-License-Identifier: MIT
#
# This host's language, clock, keyboard and name, as a NixOS module; needs common.sh,
# nix-values.sh and migrate-boot.sh.
#
#   migrate_system NAME          # writes system-local.nix, unless it is there
#
# What a host has set is carried over; what NixOS could not build from it is named and
# left out, so that it falls back to NixOS' own.

# setting_of FILE NAME: the last value that a file of NAME=VALUE lines gives, unquoted.
setting_of() {
  local line value=''
  [[ -r $1 ]] || return 0
  while IFS= read -r line || [[ $line ]]; do
    line=${line#"${line%%[![:space:]]*}"}
    line=${line#export }
    [[ $line == "$2="* ]] || continue
    value=${line#*=}
    value=${value%"${value##*[![:space:]]}"}
    if [[ $value == \"*\" || $value == \'*\' ]]; then value=${value:1:-1}; fi
  done <"$1"
  printf '%s' "$value"
}

# has_tool NAME: one that speaks of this host, and not of the one that installs it.
has_tool() {
  local path
  path=$(type -P "$1") && [[ $path == "$host"/* ]]
}

# usable_locale WHAT VALUE: as glibc's list of UTF-8 locales has it.
usable_locale() {
  local name=${2%%[.@]*} modifier='' charset=''
  [[ $2 != *@* ]] || modifier=@${2##*@}
  [[ $2 != *.* ]] || charset=${2#*.} charset=${charset%%@*}
  case $2 in
  '' | C | POSIX) return 0 ;;
  C.*) printf 'C.UTF-8' && return ;;
  esac
  if [[ ! $name =~ ^[a-z]{2,3}_[A-Z]{2}$ || ! $modifier =~ ^(@[a-z]+)?$ ]]; then
    warn "$1 is ${2@Q}, which is no locale like de_DE.UTF-8, leaving it out"
    return 0
  fi
  case ${charset,,} in
  utf-8 | utf8) ;;
  *) warn "$1 is '$2', not in UTF-8; it becomes UTF-8" ;;
  esac
  case $modifier in
  '' | @euro) printf '%s.UTF-8' "$name" ;;
  *) printf '%s%s' "$name" "$modifier" ;;
  esac
}

locale_settings() {
  local file=$host/etc/locale.conf name value others=''
  [[ -e $file ]] || file=$host/etc/default/locale
  nix_setting i18n.defaultLocale "$(usable_locale LANG "$(setting_of "$file" LANG)")"
  for name in ADDRESS COLLATE CTYPE IDENTIFICATION MEASUREMENT MESSAGES MONETARY NAME NUMERIC PAPER TELEPHONE TIME; do
    value=$(usable_locale "LC_$name" "$(setting_of "$file" "LC_$name")")
    [[ -z $value ]] || others+="    LC_$name = $(nix_string "$value");"$'\n'
  done
  [[ -z $others ]] || printf '  i18n.extraLocaleSettings = {\n%s  };\n' "$others"
}

time_setting() {
  local zone='' link=${link_of["/etc/localtime"]:-}
  [[ $link != *zoneinfo/* ]] || zone=${link##*zoneinfo/}
  [[ $zone || ! -r $host/etc/timezone ]] || read -r zone <"$host/etc/timezone" || true
  if [[ ! $zone =~ ^([A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2})?$ ]]; then
    warn "the time zone is ${zone@Q}, which is none like Europe/Berlin, leaving it out"
    zone=''
  fi
  nix_setting time.timeZone "$zone"
}

# A list to hold names against is there only where localectl is.
known_keymap() {
  local known
  has_tool localectl && known=$(localectl --no-pager list-keymaps 2>/dev/null) && [[ $known ]] || return 0
  [[ $'\n'$known$'\n' == *$'\n'"$1"$'\n'* ]]
}

console_settings() {
  local file=$host/etc/vconsole.conf keymap font
  keymap=$(setting_of "$file" KEYMAP)
  font=$(setting_of "$file" FONT)
  case $keymap in
  '') ;;
  # What NixOS made from the graphical keyboard's layout.
  /nix/store/*) printf '  console.useXkbConfig = true;\n' ;;
  *)
    if [[ $keymap =~ ^[A-Za-z0-9._-]+$ ]] && known_keymap "$keymap"; then
      nix_setting console.keyMap "$keymap"
    else
      warn "the console's keyboard is ${keymap@Q}, which is not among the known ones, leaving it out"
    fi
    ;;
  esac
  if [[ $font == /* ]]; then
    warn "the console's font is the file '$font', leaving it out"
  else
    nix_setting console.font "$font"
  fi
}

# xkb_value layout|variant|options: as localed keeps it, else Debian's file, else what
# Wayland's compositors are told.
xkb_value() {
  local what=$1 line file=$host/etc/X11/xorg.conf.d/00-keyboard.conf other
  local pattern="^[[:space:]]*Option[[:space:]]+\"Xkb${what^}\"[[:space:]]+\"([^\"]*)\""
  if [[ -r $file ]]; then
    while IFS= read -r line; do
      [[ $line =~ $pattern ]] && printf '%s' "${BASH_REMATCH[1]}" && return
    done <"$file"
  fi
  for other in "/etc/default/keyboard XKB${what^^}" "/etc/environment XKB_DEFAULT_${what^^}" "/etc/set-environment XKB_DEFAULT_${what^^}"; do
    line=$(setting_of "$host${other% *}" "${other#* }")
    [[ -z $line ]] || break
  done
  if [[ -z $line ]] && has_tool localectl; then
    pattern="X11 ${what^}: *([^"$'\n'"]*)"
    [[ ! $(localectl --no-pager status 2>/dev/null) =~ $pattern ]] || line=${BASH_REMATCH[1]}
  fi
  [[ $line == '(unset)' ]] || printf '%s' "$line"
}

xkb_settings() {
  local what value wayland=''
  for what in layout variant options; do
    value=$(xkb_value "$what")
    if [[ ! $value =~ ^[A-Za-z0-9_,:()+.-]*$ ]]; then
      warn "the keyboard's $what is ${value@Q}, which is none that XKB could have, leaving it out"
      continue
    fi
    nix_setting "services.xserver.xkb.$what" "$value"
    [[ -z $value ]] || wayland+="    XKB_DEFAULT_${what^^} = $(nix_string "$value");"$'\n'
  done
  [[ -z $wayland ]] || printf '  environment.sessionVariables = {\n%s  };\n' "$wayland"
}

# The release that this host was first installed with, never the one it has become:
# databases and users' numbers are kept in its ways.
state_version() {
  local file line version='' pattern
  # Its full name first: home-manager's has the same last word.
  for pattern in 'system\.stateVersion' '^[[:space:]]*stateVersion'; do
    for file in "$host/etc/nixos/configuration.nix" "$host"/etc/nixos/*.nix; do
      [[ -r $file && -z $version ]] || continue
      while IFS= read -r line && [[ -z $version ]]; do
        [[ ${line%%#*} =~ ${pattern}[[:space:]]*=[[:space:]]*\"([0-9]{2}\.[0-9]{2})\" ]] && version=${BASH_REMATCH[1]}
      done <"$file"
    done
  done
  [[ $version ]] || version=$(setting_of "$host/etc/os-release" VERSION_ID)
  if [[ ! $version =~ ^[0-9]{2}\.[0-9]{2}$ ]]; then
    warn "which NixOS release this host was first installed with could not be found; set system.stateVersion in $settings/configuration/system-local.nix"
    return 0
  fi
  printf '%s' "$version"
}

# starts_at_boot UNIT: on the system that is being left.
starts_at_boot() {
  local wanted
  for wanted in "$host"/etc/systemd/system/*.target.wants/"$1"; do
    [[ ! -L $wanted && ! -e $wanted ]] || return 0
  done
  return 1
}

# The way into this host must not be lost with the old configuration.
access_settings() {
  if starts_at_boot sshd.service || starts_at_boot sshd.socket || starts_at_boot ssh.service; then
    printf '  services.openssh.enable = true;\n'
  fi
  if starts_at_boot NetworkManager.service; then
    printf '  networking.networkmanager.enable = true;\n'
  elif compgen -G "$host/etc/systemd/network/*.network" >/dev/null || compgen -G "$host/etc/systemd/system/network-addresses-*.service" >/dev/null; then
    warn "this host has addresses of its own (static ones, or of systemd-networkd), which are not carried over: set them in $settings/configuration/configuration.nix before you switch, or it asks for one by DHCP"
  fi
}

system_module() {
  printf '# This host, as it was found when hvlaunch was installed. Yours to change: it is not\n'
  printf '# written again while it is here.\n{\n'
  nix_setting networking.hostName "$1"
  nix_setting system.stateVersion "$(state_version)"
  time_setting
  locale_settings
  console_settings
  xkb_settings
  boot_settings
  access_settings
  printf '}\n'
}

migrate_system() {
  local target=$settings/configuration/system-local.nix text
  if [[ -e $target ]]; then
    say "$target is there already: this host's settings stay as it says"
    return
  fi
  read_links
  text=$(system_module "$1")
  put_file "$target" 0644 <<<"$text"
}
