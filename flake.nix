{
  description = "hvlaunch: direct QEMU/KVM launcher, no libvirt, no daemon";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      each_system =
        make:
        lib.genAttrs systems (
          system:
          make (
            import nixpkgs {
              inherit system;
              overlays = [ self.overlays.default ];
            }
          )
        );
    in
    {
      overlays.default = final: _: { hvlaunch = final.callPackage ./nix/package.nix { }; };

      packages = each_system (pkgs: {
        inherit (pkgs) hvlaunch;
        default = pkgs.hvlaunch;
      });

      apps = each_system (
        pkgs:
        let
          hvlaunch = {
            type = "app";
            program = lib.getExe pkgs.hvlaunch;
            meta.description = "Run QEMU virtual machines from JSON profiles";
          };
        in
        {
          inherit hvlaunch;
          default = hvlaunch;
        }
      );

      devShells = each_system (pkgs: {
        default = pkgs.callPackage ./nix/shell.nix { };
      });

      formatter = each_system (pkgs: pkgs.nixfmt);
    };
}
