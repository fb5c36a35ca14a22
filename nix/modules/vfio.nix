# PCI devices that are kept for guests from the first moment of the boot on. Guests take
# devices by themselves when they start; this is for those that the host's drivers must
# never touch, such as a graphics card.
{ config, lib, ... }:
let
  inherit (lib) mkIf mkOption types;
  cfg = config.hypervisor;
  inherit (cfg) vfio;
  address = types.strMatching "[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\\.[0-7]";
  id = types.strMatching "[0-9a-f]{4}:[0-9a-f]{4}";
  early = vfio.ids != [ ] || vfio.addresses != [ ];
  on_x86 = config.nixpkgs.hostPlatform.system == "x86_64-linux";
in
{
  options.hypervisor.vfio = {
    enable = mkOption {
      type = types.bool;
      default = early;
      defaultText = lib.literalExpression "whether any device is named below";
      description = "Whether guests get PCI devices: turns the IOMMU on.";
    };

    ids = mkOption {
      type = types.listOf id;
      default = [ ];
      example = [ "10de:2684" ];
      description = ''
        Devices by vendor and device, as `hvlaunch vfio list --json` shows them. All that are alike
        are bound to vfio-pci before the host's drivers are loaded.
      '';
    };

    addresses = mkOption {
      type = types.listOf address;
      default = [ ];
      example = [ "0000:01:00.0" ];
      description = ''
        Devices by address, where another of the same kind stays with the host. They are reserved
        for vfio-pci as soon as the kernel finds them; the guest that has them binds them.
      '';
    };

    iommuPassthrough = mkOption {
      type = types.bool;
      default = true;
      description = "Whether the host's own devices bypass the IOMMU (`iommu=pt`), which costs them nothing then.";
    };
  };

  config = mkIf (cfg.enable && vfio.enable) {
    # AMD's IOMMU is on by itself.
    boot.kernelParams =
      lib.optional on_x86 "intel_iommu=on"
      ++ lib.optional vfio.iommuPassthrough "iommu=pt"
      ++ lib.optional (vfio.ids != [ ]) "vfio-pci.ids=${lib.concatStringsSep "," vfio.ids}";

    boot.initrd.kernelModules = lib.optionals early [
      "vfio_pci"
      "vfio"
      "vfio_iommu_type1"
    ];
    boot.kernelModules = lib.optional (!early) "vfio_pci";

    # Rules are read before the driver of a device that was found is loaded.
    boot.initrd.services.udev.rules = lib.concatMapStrings (address: ''
      ACTION=="add", SUBSYSTEM=="pci", KERNEL=="${address}", ATTR{driver_override}="vfio-pci"
    '') vfio.addresses;
  };
}
