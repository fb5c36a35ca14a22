# error: hypervisor.vms.nas.cpus' has conflicting definition values
{ hypervisor.vms.nas.cpus = 3; }
