{
  description = "hvlaunch: direct QEMU/KVM launcher, no libvirt, no daemon";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
  };

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
      app = program: description: {
        type = "app";
        inherit program;
        meta = { inherit description; };
      };
      host =
        modules:
        lib.nixosSystem {
          modules = [ self.nixosModules.default ] ++ modules;
        };
    in
    {
      overlays.default = final: _: { hvlaunch = final.callPackage ./nix/package.nix { }; };

      packages = each_system (pkgs: {
        inherit (pkgs) hvlaunch;
        default = pkgs.hvlaunch;
        iso =
          (host [
            ./nix/iso.nix
            { nixpkgs.hostPlatform = pkgs.stdenv.hostPlatform.system; }
          ]).config.system.build.isoImage;
      });

      apps = each_system (
        pkgs:
        let
          hvlaunch = app (lib.getExe pkgs.hvlaunch) "Run QEMU virtual machines from JSON profiles";
        in
        {
          inherit hvlaunch;
          default = hvlaunch;
          # From the source as it is: they run where nothing has been built yet.
          bootstrap = app "${self}/scripts/bootstrap_nixos.sh" "Make this host one for virtual machines";
          rebuild-helper = app "${self}/scripts/rebuild_helper.sh" "Rebuild the host, past stale caches";
        }
      );

      nixosModules = {
        default = self.nixosModules.hypervisor;
        hypervisor = {
          imports = [ ./nix/modules ];
          nixpkgs.overlays = [ self.overlays.default ];
        };
      };

      nixosConfigurations = {
        example = host [ ./nix/hosts/example.nix ];
        installer = host [
          ./nix/iso.nix
          { nixpkgs.hostPlatform = "x86_64-linux"; }
        ];
      };

      templates = {
        default = self.templates.host;
        host = {
          path = ./nix/templates/host;
          description = "A first host: /etc/nixos/flake.nix and its configuration";
        };
        hypervisor = {
          path = ./nix/templates/hypervisor;
          description = "/etc/hypervisor/flake.nix, which pins nixpkgs for the host";
        };
      };

      checks = each_system (pkgs: {
        inherit (pkgs) hvlaunch;
        example = (host [ ./nix/hosts/example.nix ]).config.system.build.toplevel;
        vm = pkgs.testers.runNixOSTest ./nix/tests/vm.nix;
        schema = pkgs.runCommand "profile-schema-is-current" { } ''
          ${lib.getExe pkgs.hvlaunch} schema | diff ${./nix/profile-schema.json} - && touch $out
        '';
      });

      devShells = each_system (pkgs: {
        default = pkgs.callPackage ./nix/shell.nix { };
      });

      formatter = each_system (pkgs: pkgs.nixfmt);
    };
}
