# check: cpu_topology
{
  hypervisor.vms.web = {
    cpus = 3;
    memory_mb = 512;
    cpu_topology = {
      sockets = 1;
      cores = 2;
      threads = 1;
    };
  };
}
