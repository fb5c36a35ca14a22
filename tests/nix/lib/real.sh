# shellcheck shell=bash disable=SC2154 # work, hvlaunch and accept are the runner's
# SPDX-License-Identifier: MIT
#
# The same with a real nixpkgs: HV_NIXPKGS names a folder with one.

real() { evaluate "$@" --arg nixpkgs "$HV_NIXPKGS"; }

# All that the project sets is in the real host, too: what is beside it is NixOS' own.
real_holds_what_is_ours() {
  real manifest 2>"$work/real.errors" >"$work/real.json" || { tail -n 30 "$work/real.errors" && return 1; }
  jq -n --slurpfile ours tests/nix/golden/manifest.json --slurpfile real "$work/real.json" -r '
    def lines: split("\n") | map(select(. != ""));
    def missing($ours; $real; $at):
      if ($ours | type) == "object" then
        $ours | keys[] as $key | missing($ours[$key]; $real[$key]; $at + "." + $key)
      elif ($ours | type) == "array" and ($ours | length) > 0 and ($ours[0] | type) == "string" then
        ($ours - ($real // []))[] | "\($at) lacks \(.)"
      elif ($ours | type) == "string" and ($ours | contains("\n")) then
        (($ours | lines) - (($real // "") | lines))[] | "\($at) lacks \(.)"
      elif $ours != $real then "\($at) is \($real), not \($ours)"
      else empty end;
    # NixOS spells lists of systemd and orders of modules in its own way.
    missing($ours[0]; $real[0]; "")' >"$work/missing"
  [[ ! -s $work/missing ]] || { cat "$work/missing" && return 1; }
}

# real_derivation ATTRIBUTE [ARGUMENT...]: it can be evaluated down to what would be built.
real_derivation() {
  real "$@" 2>"$work/real.errors" | grep -q '/nix/store/.*\.drv' || { tail -n 12 "$work/real.errors" && return 1; }
}
