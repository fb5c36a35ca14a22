# What a host of guests can do without. Everything may be set otherwise.
{ config, lib, ... }:
let
  inherit (lib) mkDefault mkIf mkOption;
  cfg = config.hypervisor;
in
{
  options.hypervisor.hardening.enable = mkOption {
    type = lib.types.bool;
    default = true;
    description = ''
      Whether to narrow what the host offers: firewall on, sudo for administrators only, no
      password logins for root by SSH, the kernel's log and BPF for root only, no kexec.
      Guests have a cage of their own, whatever this says.
    '';
  };

  config = mkIf (cfg.enable && cfg.hardening.enable) {
    networking.firewall.enable = mkDefault true;
    security.sudo.execWheelOnly = mkDefault true;
    services.openssh.settings.PermitRootLogin = mkDefault "prohibit-password";
    boot.kernel.sysctl = {
      "kernel.dmesg_restrict" = mkDefault 1;
      "kernel.kexec_load_disabled" = mkDefault 1;
      "kernel.unprivileged_bpf_disabled" = mkDefault 1;
      "net.core.bpf_jit_harden" = mkDefault 2;
    };
  };
}
