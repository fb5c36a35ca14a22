// SPDX-License-Identifier: MIT
//
// Every subcommand: read arguments, call the layers below, print. What they
// are for stands in table.cpp.
#pragma once

#include "launcher/commands/cli.h"

namespace hv::commands {

Outcome start_command(Context& context, const Arguments& arguments);
Outcome stop_command(Context& context, const Arguments& arguments);
Outcome restart_command(Context& context, const Arguments& arguments);
Outcome kill_command(Context& context, const Arguments& arguments);
Outcome pause_command(Context& context, const Arguments& arguments);
Outcome resume_command(Context& context, const Arguments& arguments);
Outcome reset_command(Context& context, const Arguments& arguments);
Outcome status_command(Context& context, const Arguments& arguments);
Outcome list_command(Context& context, const Arguments& arguments);
Outcome limits_command(Context& context, const Arguments& arguments);
Outcome console_command(Context& context, const Arguments& arguments);
Outcome events_command(Context& context, const Arguments& arguments);
Outcome qmp_command(Context& context, const Arguments& arguments);

Outcome check_command(Context& context, const Arguments& arguments);
Outcome plan_command(Context& context, const Arguments& arguments);
Outcome explain_command(Context& context, const Arguments& arguments);
Outcome argv_command(Context& context, const Arguments& arguments);
Outcome measure_command(Context& context, const Arguments& arguments);
Outcome schema_command(Context& context, const Arguments& arguments);
Outcome create_command(Context& context, const Arguments& arguments);
Outcome edit_command(Context& context, const Arguments& arguments);
Outcome clone_command(Context& context, const Arguments& arguments);
Outcome delete_command(Context& context, const Arguments& arguments);

Outcome caps_command(Context& context, const Arguments& arguments);
Outcome autostart_list_command(Context& context, const Arguments& arguments);
Outcome autostart_reset_command(Context& context, const Arguments& arguments);
Outcome autostart_begin_command(Context& context, const Arguments& arguments);
Outcome recover_command(Context& context, const Arguments& arguments);
Outcome doctor_command(Context& context, const Arguments& arguments);
Outcome topology_command(Context& context, const Arguments& arguments);
Outcome vfio_list_command(Context& context, const Arguments& arguments);
Outcome vfio_plan_command(Context& context, const Arguments& arguments);
Outcome vfio_bind_command(Context& context, const Arguments& arguments);
Outcome vfio_unbind_command(Context& context, const Arguments& arguments);
Outcome vfio_clear_command(Context& context, const Arguments& arguments);
Outcome document_command(Context& context, const Arguments& arguments);

Outcome prepare_command(Context& context, const Arguments& arguments);
Outcome exec_command(Context& context, const Arguments& arguments);
Outcome tune_command(Context& context, const Arguments& arguments);
Outcome await_command(Context& context, const Arguments& arguments);
Outcome watch_command(Context& context, const Arguments& arguments);
Outcome host_sleep_command(Context& context, const Arguments& arguments);
Outcome host_wake_command(Context& context, const Arguments& arguments);
Outcome powerdown_command(Context& context, const Arguments& arguments);
Outcome cleanup_command(Context& context, const Arguments& arguments);

}  // namespace hv::commands
