# error: hypervisor.vms.web.cpus' is not of type
{
  hypervisor.vms.web = {
    cpus = 5000;
    memory_mb = 512;
  };
}
