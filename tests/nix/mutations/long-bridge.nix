# error: 'a-bridge-with-a-long-name' is not a name that the kernel takes
{ hypervisor.networks.a-bridge-with-a-long-name = { }; }
