# The program, its units, the groups that may use it, and config.json.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib)
    literalExpression
    mkDefault
    mkIf
    mkOption
    types
    ;
  cfg = config.hypervisor;
  to_json = import ../lib/json.nix { inherit lib; };
in
{
  options.hypervisor = {
    enable = mkOption {
      type = types.bool;
      default = false;
      description = "Whether this host is one for virtual machines run by hvlaunch.";
    };

    package = mkOption {
      type = types.package;
      default = pkgs.hvlaunch;
      defaultText = literalExpression "pkgs.hvlaunch";
      description = "The package with hvlaunch and the suite's commands.";
    };

    admins = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "alice" ];
      description = ''
        Users who may run guests of their own, with KVM. They become members of the groups `kvm`
        and `hvlaunch`; upgrades remain root's.
      '';
    };

    settings = mkOption {
      type = types.attrsOf types.anything;
      default = { };
      example = {
        features.autostart_timeout_sec = 10;
      };
      description = ''
        The contents of `/etc/hypervisor/config.json`. With nothing set, the file is not
        managed by NixOS, and the setup wizard may write it.
      '';
    };
  };

  config = mkIf cfg.enable {
    environment.systemPackages = [
      cfg.package
      pkgs.qemu
    ];
    environment.etc = mkIf (cfg.settings != { }) {
      "hypervisor/config.json".text = to_json cfg.settings;
    };

    # Units, their drop-ins and the generator come from the package, the same for every
    # distribution. NixOS takes no .wants folders from packages.
    systemd.packages = [ cfg.package ];
    systemd.services = {
      hvlaunch-recover.wantedBy = [ "multi-user.target" ];
      # A rebuild must not stop a guest, or its companion, because a store path changed.
      "hvlaunch@" = {
        overrideStrategy = "asDropin";
        restartIfChanged = false;
        stopIfChanged = false;
      };
      "hvlaunch-watch@" = {
        overrideStrategy = "asDropin";
        restartIfChanged = false;
        stopIfChanged = false;
      };
    };
    systemd.tmpfiles.packages = [ cfg.package ];
    systemd.tmpfiles.rules = [
      "d /var/lib/hypervisor 0755 root root -"
      "d /var/log/hypervisor 0750 root root -"
    ];

    users.groups = {
      kvm = { };
      hvlaunch = { };
    };
    users.users = lib.genAttrs cfg.admins (_: {
      extraGroups = [
        "kvm"
        "hvlaunch"
      ];
    });

    nix.settings.experimental-features = mkDefault [
      "nix-command"
      "flakes"
    ];
    services.xserver.enable = mkDefault false;
  };
}
