# error: hypervisor.vms.web.cpus' is not of type .*integer between 1 and 4096
{
  hypervisor.vms.web = {
    cpus = [ 2 ];
    memory_mb = 512;
  };
}
