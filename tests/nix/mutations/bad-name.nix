# error: hypervisor.vms.-web.name' is not of type
{
  hypervisor.vms."-web" = {
    cpus = 1;
    memory_mb = 512;
  };
}
