# error: hypervisor.vms.nas.name is 'files'
{ hypervisor.vms.nas.name = "files"; }
