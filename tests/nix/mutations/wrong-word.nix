# error: hypervisor.vms.web.accel' is not of type .*one of "auto", "kvm", "tcg"
{
  hypervisor.vms.web = {
    cpus = 1;
    memory_mb = 512;
    accel = "hvm";
  };
}
