# /etc/hypervisor/flake.nix: which NixOS the host is made of. Another release is
# another branch here; `nix flake update` in this folder then takes it up.
{
  description = "The suite of this host, and the NixOS that it stands on";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
  };

  # The suite's own flake lies in src/, and gets this nixpkgs.
  outputs =
    { self, nixpkgs }:
    let
      suite = (import ./src/flake.nix).outputs {
        self = suite // {
          outPath = "${self}/src";
        };
        inherit nixpkgs;
      };
    in
    suite
    // {
      nixosModules = suite.nixosModules // {
        host = ./configuration/configuration.nix;
      };
    };
}
