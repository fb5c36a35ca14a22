# Guests as a part of the host's configuration: each becomes a profile in
# /etc/hypervisor/vm-profiles, which `hvlaunch check` has read when the host was built.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkIf mkOption types;
  cfg = config.hypervisor;
  profiles = import ../lib/profile-options.nix { inherit lib; };
  to_json = import ../lib/json.nix { inherit lib; };

  vm =
    { name, ... }:
    {
      options = profiles.options_of profiles.schema;
      config.name = lib.mkDefault name;
    };
  file_of = name: "hypervisor/vm-profiles/${name}.json";
  texts = lib.mapAttrs (_: vm: to_json (profiles.without_nulls vm)) cfg.vms;

  checked = pkgs.runCommand "hypervisor-profiles-checked" { nativeBuildInputs = [ cfg.package ]; } ''
    export HOME=$PWD XDG_RUNTIME_DIR=$PWD
    mkdir profiles
    ${lib.concatStrings (
      lib.mapAttrsToList (name: text: ''
        cp ${pkgs.writeText "${name}.json" text} profiles/${name}.json
      '') texts
    )}
    hvlaunch --user check ./profiles
    touch $out
  '';
in
{
  options.hypervisor = {
    vms = mkOption {
      type = types.attrsOf (types.submodule vm);
      default = { };
      example = {
        nas = {
          cpus = 2;
          memory_mb = 4096;
          network.bridge = "br0";
          autostart = true;
        };
      };
      description = ''
        Guests. Their members are the fields of a profile; those that are not set have
        hvlaunch's own defaults. Guests with `autostart` start with the host.
      '';
    };

    checkProfiles = mkOption {
      type = types.bool;
      default = true;
      description = ''
        Whether building the host fails if `hvlaunch check` finds something wrong with a profile.
        Turn it off where the host is built for another architecture than it is built on.
      '';
    };
  };

  config = mkIf (cfg.enable && cfg.vms != { }) {
    assertions = lib.mapAttrsToList (name: vm: {
      assertion = vm.name == name;
      message = "hypervisor.vms.${name}.name is '${vm.name}': a guest is named by its attribute; leave it out";
    }) cfg.vms;

    environment.etc = lib.mapAttrs' (
      name: text: lib.nameValuePair (file_of name) { inherit text; }
    ) texts;
    system.checks = mkIf cfg.checkProfiles [ checked ];
  };
}
