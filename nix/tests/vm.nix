# A host in a VM: the module's units run, a guest of its own is one, and whoever logs
# in can see it. Guests are emulated: a builder need not have nested KVM.
#
# Its packages are made already, with hvlaunch among them: not the flake's module, which
# would add it.
{
  name = "hypervisor";

  nodes.host = {
    imports = [ ../modules ];
    virtualisation = {
      memorySize = 2048;
      cores = 2;
    };
    users.users.alice = {
      isNormalUser = true;
      password = "alice";
    };
    hypervisor = {
      enable = true;
      admins = [ "alice" ];
      hugepages.pages."2M" = 8;
      vms = {
        small = {
          accel = "tcg";
          cpus = 1;
          memory_mb = 256;
          disk_gb = 0;
          network = "none";
          display = "none";
        };
        first = {
          accel = "tcg";
          cpus = 1;
          memory_mb = 256;
          disk_gb = 0;
          network = "none";
          display = "none";
          autostart = true;
        };
      };
    };
  };

  testScript = ''
    host.wait_for_unit("multi-user.target")

    with subtest("what the module sets is there"):
        host.succeed("getent group hvlaunch | grep alice")
        host.succeed("grep -qx 8 /proc/sys/vm/nr_hugepages")
        host.succeed("hvlaunch check /etc/hypervisor/vm-profiles")
        host.succeed("systemctl is-active nixos-update-checker.timer")

    with subtest("the menu has the first terminal, and a login the second"):
        host.wait_for_unit("hypervisor-menu.service")
        host.fail("systemctl is-active getty@tty1.service")
        host.wait_for_unit("getty@tty2.service")

    with subtest("a guest with autostart has started with the host"):
        host.wait_for_unit("hvlaunch@first.service")

    with subtest("another one starts and stops"):
        host.succeed("hvlaunch start small")
        host.succeed("systemctl is-active hvlaunch@small.service")
        host.succeed("hv vm-list | grep small")
        host.succeed("hvlaunch stop --force small")
        host.fail("systemctl is-active hvlaunch@small.service")

    with subtest("upgrades are root's"):
        host.fail("su -l alice -c hv-system-upgrade")
  '';
}
