# check: iso_path
{
  hypervisor.vms.web = {
    cpus = 1;
    memory_mb = 512;
    iso_path = "../../etc/shadow";
  };
}
