# error: hypervisor.vfio.addresses.\[.\]' is not of type
{ hypervisor.vfio.addresses = [ "01:00.0" ]; }
