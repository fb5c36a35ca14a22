# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# Debian packages for the project's scripts, installed or unpacked beside the
# system. Servers are those that apt knows here; no name of one occurs.
#
#   install_packages cmake ninja-build      # those that are missing
#   open_suite trixie arm64                 # an apt of its own
#   unpack_packages DIR busybox-static      # just these
#   unpack_with_dependencies DIR qemu-system-x86
#   build_once DIR KEY COMMAND...           # DIR.part is COMMAND's last argument

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

as_root() {
  if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

missing_packages() {
  local name status
  local -A installed=()
  while read -r name status; do
    [[ $status == ii* ]] && installed[$name]=1
  done < <(dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' "$@" 2>/dev/null)
  for name in "$@"; do
    [[ -v installed[$name] ]] || printf '%s\n' "$name"
    installed[$name]=1
  done
}

install_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  printf 'installing %s\n' "${missing[*]}" >&2
  (($(apt-cache policy "${missing[@]}" | grep -c 'Candidate: [^(]') == ${#missing[@]})) || update_lists
  # Lists that have gone stale name packages that the server no longer has.
  apt_install "${missing[@]}" || { update_lists && apt_install "${missing[@]}"; }
}

update_lists() {
  as_root apt-get -qq update
}

# What dpkg says is worth reading only when it fails.
apt_install() {
  local said
  said=$(as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install "$@" 2>&1) || {
    printf '%s\n' "$said" >&2
    return 1
  }
}

debian_architecture() {
  dpkg --print-architecture
}

debian_mirror() {
  local codename uri
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
  # shellcheck disable=SC2016 # apt expands these
  uri=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' |
    awk -v codename="$codename" '($2 == codename || $2 == "stable") && $3 == "main" { print $1; exit }')
  [[ $uri ]] || die "apt has no source for ${codename:-this release} main; add one to /etc/apt/sources.list"
  printf '%s\n' "$uri"
}

# Sets `suite_apt`, the words that begin an apt command for that suite. Its state
# is its own: nothing counts as installed, so dependencies come along in full.
open_suite() {
  local suite=$1 arch=$2 base=${1%-backports} mirror dir name
  mirror=$(debian_mirror)
  package_cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/hvlaunch/packages
  dir=$package_cache/$suite-$arch
  mkdir -p "$dir/lists/partial" "$package_cache/debs/partial" "$dir/none/partial"
  : >"$dir/status"
  for name in "$base" "$suite"; do
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$mirror" "$name"
  done | uniq >"$dir/sources.list"
  cat >"$dir/apt.conf" <<CONF
Dir::State "$dir";
Dir::State::status "$dir/status";
Dir::Cache "$dir";
Dir::Cache::archives "$package_cache/debs";
Dir::Etc::SourceList "$dir/sources.list";
Dir::Etc::SourceParts "/dev/null";
#clear APT::Architectures;
APT::Architecture "$arch";
APT::Architectures { "$arch"; };
APT::Default-Release "$suite";
APT::Install-Recommends "false";
APT::Sandbox::User "";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Acquire::Languages "none";
Debug::NoLocking "true";
CONF
  suite_apt=(-c "$dir/apt.conf" -qq)
  apt-get "${suite_apt[@]}" update
}

# The package that a metapackage such as linux-image-arm64 stands for.
real_package() {
  apt-cache "${suite_apt[@]}" depends "$1" | awk -v prefix="${1%%-*}-" \
    '$1 == "Depends:" && index($2, prefix) == 1 { print $2; exit }'
}

unpack_packages() {
  local dir=$1
  shift
  (cd "$package_cache/debs" && apt-get "${suite_apt[@]}" download "$@" >&2)
  apt-get "${suite_apt[@]}" --print-uris download "$@" | unpack_listed "$dir"
}

unpack_with_dependencies() {
  local dir=$1
  shift
  apt-get "${suite_apt[@]}" -y --download-only install "$@" >&2
  # An empty archive folder makes apt list what it has downloaded already, too.
  apt-get "${suite_apt[@]}" -o Dir::Cache::archives="$(dirname "${suite_apt[1]}")/none" \
    -y --print-uris install "$@" | unpack_listed "$dir"
}

unpack_listed() {
  local dir=$1 debs
  mapfile -t debs < <(awk '/^\047/ { print $2 }')
  ((${#debs[@]})) || die "apt lists no packages to unpack into $dir"
  mkdir -p "$dir"
  (cd "$package_cache/debs" && printf '%s\n' "${debs[@]}" | xargs -P "$(nproc)" -I{} dpkg -x {} "$dir")
  printf '%s\n' "${debs[@]}" >"$dir/.packages"
}

# Makes a folder whole or not at all: interrupted, it is made afresh next time.
build_once() {
  local dir=$1 key=$2 lock
  shift 2
  if [[ -f $dir/.key && $(<"$dir/.key") == "$key" ]]; then return; fi
  if [[ -e $dir && ! -f $dir/.key ]] && ! rmdir "$dir" 2>/dev/null; then
    die "'$dir' has files that are not from here; name another folder, or remove it"
  fi
  mkdir -p "$(dirname "$dir")"
  exec {lock}>"$dir.lock"
  flock "$lock"
  if [[ ! -f $dir/.key || $(<"$dir/.key") != "$key" ]]; then
    printf 'making %s\n' "$dir" >&2
    rm -rf "$dir.part"
    mkdir "$dir.part"
    "$@" "$dir.part"
    printf '%s' "$key" >"$dir.part/.key"
    rm -rf "$dir"
    mv "$dir.part" "$dir"
  fi
  exec {lock}>&-
}
