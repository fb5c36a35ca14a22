# check: cache
{
  hypervisor.vms.web = {
    cpus = 1;
    memory_mb = 512;
    storage = {
      io = "native";
      cache = "writeback";
    };
  };
}
