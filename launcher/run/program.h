// SPDX-License-Identifier: MIT
//
// Other programs that hvlaunch runs: qemu-img, xorriso, swtpm, itself as
// `watch`. Never through a shell, with a clean environment, and with no
// descriptor that is not named.
#pragma once

#include "launcher/base/error.h"
#include "launcher/base/unique_fd.h"

#include <optional>
#include <string>
#include <vector>

namespace hv::run {

/// Runs `argv` to its end. The error of a program that ends with another
/// status than 0 carries the last line it printed. `argv[0]` is looked for in
/// /usr/bin and the like, and `package` says what provides it. `variables` are
/// set beside the few of its clean environment.
[[nodiscard]] Result<> run_program(const std::vector<std::string>& argv, std::string_view package,
                                   const std::vector<std::string>& variables = {});

/// Starts `argv` in a session of its own and leaves it behind. It gets `ready`
/// as descriptor 3, on which it can say that it is up.
[[nodiscard]] Result<> leave_behind(const std::vector<std::string>& argv, UniqueFd ready,
                                    const std::vector<std::string>& environment);

/// Runs the user's editor on a file, at the user's terminal and with the
/// user's environment. `editor` may carry arguments: "code --wait".
[[nodiscard]] Result<> run_editor(const std::string& editor, const std::string& path,
                                  std::string_view search_path);

/// The directories in which programs are looked for, NixOS's among them.
inline constexpr std::string_view program_path =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin";

/// Full path of a program; nothing if it is not installed.
[[nodiscard]] std::optional<std::string> find_program(std::string_view name,
                                                      std::string_view search_path = program_path);

}  // namespace hv::run
