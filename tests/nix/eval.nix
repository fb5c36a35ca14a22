# What the tests ask of the project's Nix code:
#   nix-instantiate --eval -A manifest tests/nix/eval.nix
# Without flakes and without copying anything, so that it takes a moment.
{
  nixpkgs ? ./nixpkgs,
  # Modules besides the example host's own, and instead of it.
  module ? { },
  host ? ../../nix/hosts/example.nix,
}:
let
  flake = import ../../flake.nix;
  lib = import (nixpkgs + "/lib");
  nixos_system =
    if builtins.pathExists (nixpkgs + "/nixos/lib/eval-config.nix") then
      { modules }:
      import (nixpkgs + "/nixos/lib/eval-config.nix") {
        system = null;
        inherit modules lib;
      }
    else
      import (nixpkgs + "/nixos") { self = null; };
  outputs = flake.outputs {
    self = outputs // {
      outPath = toString ../..;
    };
    nixpkgs = {
      outPath = toString nixpkgs;
      lib = lib // {
        nixosSystem = nixos_system;
      };
    };
  };

  system = nixos_system {
    modules = [
      outputs.nixosModules.default
      host
      module
    ];
  };
  inherit (system) config;
  ours = name: builtins.match "(hypervisor|hvlaunch|nixos-update|getty@tty2|display).*" name != null;
  # Store paths differ from nixpkgs to nixpkgs, names do not.
  plain =
    text:
    let
      parts = builtins.split "/nix/store/[0-9a-z]{32}-([a-z_-]+[a-z])[0-9.-]*[^/: \"\n]*" text;
    in
    lib.concatStrings (
      map (part: if builtins.isList part then "<${builtins.head part}>" else part) parts
    );
  units_of = config.system.build.units or config.systemd.units;
  units = lib.filterAttrs (name: _: ours name) units_of;
in
{
  inherit outputs config system;
  inherit (config.system.build) toplevel;

  manifest = {
    kernel_parameters = config.boot.kernelParams;
    initrd_modules = config.boot.initrd.kernelModules;
    initrd_udev_rules = config.boot.initrd.services.udev.rules;
    sysctl = lib.mapAttrs (_: toString) (
      lib.filterAttrs (_: value: value != null) config.boot.kernel.sysctl
    );
    files = lib.mapAttrs (_: file: file.text) (
      lib.filterAttrs (name: _: lib.hasPrefix "hypervisor/" name) config.environment.etc
    );
    packages = map (package: plain "${package}") config.environment.systemPackages;
    unit_packages = map (package: plain "${package}") config.systemd.packages;
    temporary_files = config.systemd.tmpfiles.rules;
    units = lib.mapAttrs (_: unit: {
      text = lib.concatStringsSep "\n" (
        builtins.filter (
          line: builtins.isString line && builtins.match "Environment=\"(PATH|LOCALE_ARCHIVE|TZDIR)=.*" line == null
        ) (builtins.split "\n" (plain unit.text))
      );
      inherit (unit) wantedBy overrideStrategy;
    }) units;
    users = lib.mapAttrs (_: user: user.extraGroups) (
      lib.filterAttrs (_: user: user.isNormalUser) config.users.users
    );
    groups = builtins.filter (name: builtins.elem name [ "kvm" "hvlaunch" ]) (
      builtins.attrNames config.users.groups
    );
    bridges = lib.mapAttrs (_: bridge: bridge.interfaces) config.networking.bridges;
    addresses = lib.mapAttrs (_: interface: {
      inherit (interface) useDHCP;
      ipv4 = map (at: { inherit (at) address prefixLength; }) interface.ipv4.addresses;
    }) (lib.filterAttrs (name: _: config.networking.bridges ? ${name}) config.networking.interfaces);
    nat = config.networking.nat.internalInterfaces;
    firewall = config.networking.firewall.enable;
    root_by_ssh = config.services.openssh.settings.PermitRootLogin;
    message_of_the_day = config.users.motdFile;
    graphical = config.services.xserver.enable;
    state_version = config.system.stateVersion;
    host_name = config.networking.hostName;
    time_zone = config.time.timeZone;
  };

  # What the build would run over the profiles, with the files it copies.
  profile_check =
    let
      check = builtins.head config.system.checks;
    in
    check.buildCommand;
  profiles = lib.mapAttrs (_: file: file.text) (
    lib.filterAttrs (name: _: lib.hasPrefix "hypervisor/vm-profiles/" name) config.environment.etc
  );

  page = import ../../nix/options-page.nix {
    inherit lib;
    inherit (system) options;
  };
  vm_test = (import ../../nix/tests/vm.nix).testScript;
}
