# error: hypervisor.vms.web.memory' does not exist
{
  hypervisor.vms.web = {
    cpus = 1;
    memory = 512;
  };
}
