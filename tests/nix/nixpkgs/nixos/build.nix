# What a configuration comes to: a system that cannot be built, and shows what it holds.
{ config, lib, ... }:
let
  pkgs = import ../. {
    inherit (config.nixpkgs.hostPlatform) system;
    inherit (config.nixpkgs) overlays;
  };
  render = import ./units.nix { inherit lib pkgs; };
  failed = builtins.filter (assertion: !assertion.assertion) config.assertions;

  units_of =
    kind: make: units:
    lib.mapAttrs' (
      name: unit:
      lib.nameValuePair "${name}.${kind}" {
        text = make unit;
        inherit (unit) wantedBy requiredBy overrideStrategy;
      }
    ) (lib.filterAttrs (_: unit: unit.enable) units);
  units =
    units_of "service" render.service config.systemd.services
    // units_of "timer" render.timer config.systemd.timers
    // units_of "target" render.target config.systemd.targets;

  build =
    name: parts:
    derivation {
      inherit name;
      inherit (pkgs) system;
      builder = "/bin/sh";
      args = [
        "-c"
        "echo > $out"
      ];
      parts = builtins.toJSON parts;
    };
in
{
  _module.args.pkgs = lib.mkDefault pkgs;

  system.build = {
    inherit units;
    toplevel =
      if failed == [ ] then
        build "system" {
          inherit units;
          inherit (config)
            boot
            console
            environment
            fileSystems
            i18n
            networking
            nix
            security
            services
            swapDevices
            time
            users
            ;
          checks = map toString config.system.checks;
        }
      else
        throw "Failed assertions:\n${lib.concatMapStrings (a: "- ${a.message}\n") failed}";
    isoImage = builtins.seq config.system.build.toplevel.drvPath (build "iso" config.isoImage);
  };
}
