# error: no size '3M'
{ hypervisor.hugepages.pages."3M" = 1; }
