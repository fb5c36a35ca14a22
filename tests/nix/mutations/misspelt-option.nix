# error: hypervisor.updateChecker.shedule' does not exist
{ hypervisor.updateChecker.shedule = "weekly"; }
