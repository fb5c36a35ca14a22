# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# The project's Nix code in tests of the suite: tests/nix's Nix and pretend nixpkgs.
#
#   load lib/nix
#   of_example 'config.time.timeZone'          # of nix/hosts/example.nix
#   of_example 'config…' '{ hypervisor.… }'    # with a module besides
#   of_root NAME 'config…'                     # of the host that the bootstrap made in HV_ROOT

cd "$BATS_TEST_DIRNAME/../.." || exit
# shellcheck source=tests/nix/lib/nix.sh
source tests/nix/lib/nix.sh
# shellcheck source=tests/nix/lib/checks.sh
source tests/nix/lib/checks.sh

work=$BATS_FILE_TMPDIR
hvlaunch=$PWD/build/release/bin/hvlaunch
make_nix "$PWD/build/nix"

of_example() {
  local module=${2:-'{ }'}
  nix_run nix-instantiate --eval --strict --json --store dummy:// \
    --expr "let inherit (import $PWD/tests/nix/eval.nix { module = $module; }) config outputs manifest; in $1"
}

of_root() {
  nix_run nix eval --json --store "$work/store" --no-write-lock-file \
    --override-input hypervisor "path:$HV_ROOT/etc/hypervisor" \
    --override-input hypervisor/nixpkgs "path:$PWD/tests/nix/nixpkgs" \
    "path:$HV_ROOT/etc/nixos#nixosConfigurations.\"$1\".config" --apply "config: $2"
}

# says EXPECTED COMMAND...: JSON, as jq writes it in one line.
says() {
  local expected=$1 said
  shift
  said=$("$@" | jq -cS .)
  [[ $said == "$expected" ]] || { echo "$said, not $expected" && return 1; }
}

# unit NAME OPTION: a unit's setting on the example host.
unit() { of_example "manifest.units.\"$1\".text" "${3:-}" | jq -r . | sed -n "s/^$2=//p"; }
