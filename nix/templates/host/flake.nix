# /etc/nixos/flake.nix: this host. The suite and its nixpkgs come from /etc/hypervisor.
{
  description = "A host for virtual machines";

  inputs = {
    hypervisor.url = "path:/etc/hypervisor";
    nixpkgs.follows = "hypervisor/nixpkgs";
  };

  outputs =
    { nixpkgs, hypervisor, ... }:
    let
      inherit (nixpkgs) lib;
      where_there = file: lib.optional (builtins.pathExists file) file;
      host =
        name:
        lib.nixosSystem {
          modules = [
            hypervisor.nixosModules.default
            hypervisor.nixosModules.host
            { networking.hostName = lib.mkOverride 900 name; }
          ]
          ++ where_there ./hardware-configuration.nix
          ++ where_there ./configuration.nix;
        };
    in
    {
      # As many as there are hosts: nixos-rebuild takes the one named like this host.
      nixosConfigurations = lib.genAttrs [ "hypervisor" ] host;
    };
}
