# shellcheck shell=bash disable=SC2154 # work, hvlaunch and accept are the runner's
# SPDX-License-Identifier: MIT
#
# The checks of tests/nix/run, each a function that fails and says why.

nix_files() { git ls-files --cached --others --exclude-standard '*.nix'; }

parses() {
  local file
  while read -r file; do
    nix_run nix-instantiate --parse --store dummy:// "$file" >/dev/null || return 1
  done < <(nix_files)
}

# What Nix allows and we do not: names from nowhere, a nixpkgs that is not the flake's,
# values that nobody can set otherwise.
lint_rules() {
  local bad=0 rule why files=("$@")
  (($#)) || mapfile -t files < <(nix_files | grep -vE '^tests/nix/(mutations/|semantics)')
  while IFS=$'\t' read -r rule why; do
    if grep -nHE -- "$rule" "${files[@]}" | grep -vE ':[0-9]+: *#'; then
      echo "  $why"
      bad=1
    fi
  done <<'RULES'
with (lib|pkgs)\b	say which names: inherit (lib) …
\brec \{.*(src|version)	let … in instead of rec
<nixpkgs>	take nixpkgs from the flake
mkForce[^=]*$	a host could not set it otherwise; mkDefault, or mkOverride 900
[[:space:]]+$	blanks at the end of a line
RULES
  return $bad
}

# Each rule finds what it forbids, and nix a file that ends too early.
spoilt_files_are_seen() {
  local line file=$work/spoilt.nix
  while read -r line; do
    printf '%s\n' "$line" >"$file"
    if lint_rules "$file" >/dev/null; then echo "nobody objects to: $line" && return 1; fi
  done <<'LINES'
with lib; { }
rec { version = "1"; }
import <nixpkgs> { }
{ a = lib.mkForce; }
LINES
  printf '{ a = 1;\n' >"$file"
  ! nix_run nix-instantiate --parse --store dummy:// "$file"
}

schema_is_current() {
  "$hvlaunch" schema | diff -u nix/profile-schema.json - ||
    { echo "renew it: hvlaunch schema >nix/profile-schema.json" && return 1; }
}

# golden FILE COMMAND...: its output is the file, which --accept writes.
golden() {
  local file=$1
  shift
  "$@" >"$work/golden" || return 1
  [[ -z $accept ]] || cp "$work/golden" "$file"
  diff -u "$file" "$work/golden"
}

# semantics LIB: what modules mean, by that lib.
semantics() {
  nix_run nix-instantiate --eval --strict --json --store dummy:// tests/nix/semantics.nix --arg lib "import $1" | jq -S .
}

# The package's last steps, on what cmake would have installed: its units and scripts.
# wrapProgram and substituteInPlace are nixpkgs' own, so here they are stand-ins.
package_is_finished() {
  local out=$work/package script
  rm -rf "$out" && mkdir -p "$out/lib/systemd" "$out/lib/hvlaunch" "$out/bin"
  cp -r systemd/system systemd/user "$out/lib/systemd/" && cp -r scripts/suite "$out/lib/hvlaunch/suite" || return 1
  script=$(evaluate 'outputs.packages.x86_64-linux.default.buildCommand' | jq -r . |
    sed -E "s,/nix/store/[0-9a-z]{32}-absolute-programs.sed,$PWD/nix/absolute-programs.sed,")
  out=$out bash -euo pipefail -c '
    wrapProgram() { printf "%s\n" "$*" >"$out/wrapped"; }
    substituteInPlace() {
      [[ $2 == --replace-fail && $(grep -cF -- "$3" "$1") == 1 ]] || { echo "$1 has no one $3" && exit 1; }
      text=$(<"$1") && printf "%s\n" "${text/"$3"/"$4"}" >"$1"
    }
    eval "$1"' bash "$script" || return 1
  ! grep -rhE '^Exec' "$out/lib/systemd" | grep -vE "^[^=]*=[-@:+!]*$out/bin/" || return 1
  grep -q "^$out/bin/hvlaunch --suffix PATH : .*-qemu/bin" "$out/wrapped" || return 1
  # The scripts' own tools, behind those of the host.
  HV_ROOT='' bash -c ". $out/lib/hvlaunch/suite/lib/common.sh; echo \$PATH" |
    grep -qE '^/run/wrappers/bin:/run/current-system/sw/bin:.*:/bin:/nix/store/.*-jq/bin'
}

manifest() { evaluate manifest "$@" | jq -S .; }
page() { evaluate page | jq -r .; }

flake_outputs() {
  nix_flake show --json --all-systems 2>/dev/null |
    jq -S 'walk(if type == "object" then del(.description, .name) else . end)'
}

# nix_flake VERB [ARGUMENT...]: of a copy that has what git has, with our nixpkgs.
nix_flake() {
  local verb=$1
  shift
  nix_run nix flake "$verb" "path:$work/flake" --store "$work/store" --no-write-lock-file \
    --override-input nixpkgs "path:$work/flake/tests/nix/nixpkgs" "$@"
}

# copy_flake DIRECTORY: what git has, without the tests of other things.
copy_flake() {
  mkdir -p "$1"
  git ls-files -z --cached --others --exclude-standard | grep -zvE '^(docs|tests/[^/]+)/' |
    xargs -0 cp --parents -t "$1"
  cp -r --parents tests/nix "$1"
}

# The lock names the branch that flake.nix does, or Nix would go to the network; its hash
# is one; and the templates pin the same.
lock_fits() {
  local ref rev hash
  read -r ref rev hash < <(jq -r '.nodes.nixpkgs | [.original.ref, .locked.rev, .locked.narHash] | join(" ")' flake.lock)
  [[ $rev =~ ^[0-9a-f]{40}$ && $hash =~ ^sha256-[A-Za-z0-9+/]{43}=$ ]] || return 1
  for file in flake.nix nix/templates/hypervisor/flake.nix; do
    # What docs/upgrade.md has people look for.
    [[ $(grep nixpkgs.url "$file") == "    nixpkgs.url = \"github:NixOS/nixpkgs/$ref\";" ]] || return 1
  done
  nix_run nix flake metadata --no-update-lock-file --json --store "$work/store" "path:$work/flake" |
    jq -e --arg rev "$rev" '.locks.nodes.nixpkgs.locked.rev == $rev' >/dev/null
}

# A module of tests/nix/mutations spoils the example host; its first line says how the
# evaluation must end.
mutation() {
  local file=$1 expected said
  expected=$(sed -n '1s/^# error: //p' "$file")
  [[ $expected ]] || { echo "$file does not say what the error is" && return 1; }
  if said=$(evaluate toplevel.drvPath --arg module "import ./$file" 2>&1); then
    echo "$file evaluates"
    return 1
  fi
  grep -qE -- "$expected" <<<"$said" || { printf '%s\n' "$said" && return 1; }
}

# What the build of a host would run over its profiles, run here with the real program.
check_profiles() {
  local module=${1:-'{ }'} place=$work/profiles name
  rm -rf "$place" && mkdir -p "$place/build" "$place/bin" "$place/files"
  ln -s "$hvlaunch" "$place/bin/hvlaunch"
  evaluate profiles --arg module "$module" >"$place/profiles.json" || return 1
  while read -r name; do
    jq -j --arg name "$name" '.[$name]' "$place/profiles.json" >"$place/files/${name##*/}"
  done < <(jq -r 'keys[]' "$place/profiles.json")
  evaluate profile_check --arg module "$module" | jq -r . |
    sed -E "s,/nix/store/[0-9a-z]{32}-,$place/files/," >"$place/command"
  grep -q "$place/files/" "$place/command" || return 1
  (cd "$place/build" && PATH=$place/bin:/usr/bin:/bin out=$place/out bash -euo pipefail ../command 2>&1) &&
    [[ -e $place/out ]]
}

broken_profile() {
  local file=$1 expected said
  expected=$(sed -n '1s/^# check: //p' "$file")
  evaluate toplevel.drvPath --arg module "import ./$file" >/dev/null || return 1
  if said=$(check_profiles "import ./$file"); then
    echo "$file passes"
    return 1
  fi
  grep -qE -- "$expected" <<<"$said" || { printf '%s\n' "$said" && return 1; }
}

# The script of the VM test, as the test driver would read it.
vm_test_is_python() {
  evaluate vm_test | jq -r . >"$work/vm_test.py"
  grep -q wait_for_unit "$work/vm_test.py" || return 1
  python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' "$work/vm_test.py"
}

aarch64_has_no_intel() {
  local module='{ nixpkgs.hostPlatform = (import ./tests/nix/nixpkgs/lib).mkForce "aarch64-linux"; }'
  evaluate manifest.kernel_parameters --arg module "$module" |
    jq -e 'index("intel_iommu=on") == null and index("iommu=pt") != null' >/dev/null
}
