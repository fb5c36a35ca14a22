# A host with something of everything, which the tests evaluate. Copy from it what fits.
{ ... }:
{
  imports = [ ../../configuration/configuration.nix ];

  nixpkgs.hostPlatform = "x86_64-linux";
  networking.hostName = "hv1";
  boot.loader.systemd-boot.enable = true;
  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "ext4";
  };

  users.users.alice = {
    isNormalUser = true;
    extraGroups = [ "wheel" ];
  };

  hypervisor = {
    admins = [ "alice" ];
    hugepages = {
      default = "1G";
      pages."1G" = 16;
    };
    vfio = {
      ids = [ "10de:2684" ];
      addresses = [ "0000:02:00.0" ];
    };
    networks = {
      br0.interfaces = [ "eno1" ];
      lab = {
        address = "192.0.2.1/24";
        nat = true;
        zone = "lab";
      };
    };
    menu.autostartTimeout = 10;
    updateChecker.schedule = "Mon *-*-* 02:00:00";

    vms = {
      nas = {
        cpus = 2;
        memory_mb = 4096;
        network = {
          bridge = "br0";
          vhost = true;
        };
        autostart = true;
        autostart_group = "storage";
        autostart_priority = 10;
      };
      desktop = {
        cpus = 8;
        memory_mb = "16G";
        firmware = {
          type = "uefi";
          secure_boot = true;
        };
        tpm.enable = true;
        hugepages.size = "1G";
        pinning.place = "one-l3";
        hostdevs = [
          {
            id = "10de:2684";
            all_functions = true;
          }
        ];
        labels.owner = "alice's";
      };
      lab1 = {
        cpus = 1;
        memory_mb = 512;
        network.zone = "lab";
        display = "none";
      };
    };
  };
}
