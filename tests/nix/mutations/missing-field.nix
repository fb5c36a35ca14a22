# error: hypervisor.vms.web.memory_mb' was accessed but has no value defined
{ hypervisor.vms.web.cpus = 1; }
