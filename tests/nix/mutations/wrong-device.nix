# error: hypervisor.vms.nas.hostdevs.\[0\]' is not of type
{ hypervisor.vms.nas.hostdevs = [ "01:00" ]; }
