# Looks for newer releases now and then, and tells the administrators. It changes nothing.
{ config, lib, ... }:
let
  inherit (lib) mkIf mkOption types;
  cfg = config.hypervisor;
  checker = cfg.updateChecker;
in
{
  options.hypervisor.updateChecker = {
    enable = mkOption {
      type = types.bool;
      default = true;
      description = "Whether to look for updates of NixOS regularly. `hv-check-updates` does it at any time.";
    };

    schedule = mkOption {
      type = types.strMatching "[^\n]+";
      default = "monthly";
      example = "Mon *-*-* 02:00:00";
      description = "When, as {manpage}`systemd.time(7)` has it; `monthly` is the first of each month.";
    };

    notifyAdmins = mkOption {
      type = types.bool;
      default = true;
      description = "Whether administrators who are logged in are told by a broadcast, besides the message at login.";
    };
  };

  config = mkIf (cfg.enable && checker.enable) {
    systemd.services.nixos-update-checker = {
      description = "Look for updates of NixOS";
      documentation = [ "man:hv(1)" ];
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ];
      path = [
        config.nix.package
        "/run/current-system/sw"
      ];
      environment.XDG_CACHE_HOME = "/var/cache/nixos-update-checker";
      serviceConfig = {
        Type = "oneshot";
        ExecStart =
          "${cfg.package}/bin/hv-check-updates"
          + lib.optionalString (!checker.notifyAdmins) " --no-broadcast";
        CacheDirectory = "nixos-update-checker";
        TimeoutStartSec = "10min";
        NoNewPrivileges = true;
        PrivateTmp = true;
        ProtectHome = true;
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        ProtectControlGroups = true;
        ProtectSystem = "strict";
        ReadWritePaths = [
          "/etc/motd.d"
          "/var/lib/hypervisor"
          "/var/log/hypervisor"
        ];
        RestrictAddressFamilies = [
          "AF_UNIX"
          "AF_INET"
          "AF_INET6"
          "AF_NETLINK"
        ];
        UMask = "0022";
      };
    };
    systemd.timers.nixos-update-checker = {
      description = "Look for updates of NixOS now and then";
      documentation = [ "man:hv(1)" ];
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnCalendar = checker.schedule;
        # A host that was off then does it when it is back, not all hosts at once.
        Persistent = true;
        RandomizedDelaySec = "1h";
      };
    };
    systemd.tmpfiles.rules = [ "d /etc/motd.d 0755 root root -" ];
    # NixOS' pam_motd reads one file, and no folder. It need not exist. Nothing is null up to
    # 24.05, and an empty text later.
    users.motdFile = mkIf (builtins.elem config.users.motd [
      null
      ""
    ]) (lib.mkDefault "/etc/motd.d/updates-available");
  };
}
