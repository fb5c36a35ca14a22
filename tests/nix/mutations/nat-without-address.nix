# error: hypervisor.networks.br1: nat needs an address
{ hypervisor.networks.br1.nat = true; }
