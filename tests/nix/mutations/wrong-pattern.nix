# error: hypervisor.vms.web.memory_mb' is not of type
{
  hypervisor.vms.web = {
    cpus = 1;
    memory_mb = "lots";
  };
}
