# error: hypervisor.vms.nas.network.mod' does not exist
{ hypervisor.vms.nas.network.mod = "nat"; }
