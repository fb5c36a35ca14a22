// SPDX-License-Identifier: MIT
#include "launcher/run/own_slice.h"

#include "launcher/run/isolation.h"
#include "launcher/run/program.h"

#include <unistd.h>

#include <algorithm>

namespace hv::run {

bool must_change_slice(const Root& root, const plan::Plan& plan) {
  const bool isolates = std::ranges::any_of(plan.steps, [](const plan::Step& step) {
    return std::holds_alternative<plan::IsolateCpus>(step.action);
  });
  return isolates && ::geteuid() == 0 && root.exists("/run/systemd/system") && in_host_slice(root);
}

Error change_slice(const std::string& vm, const std::vector<std::string>& argv) {
  // systemd-run becomes what it runs: the process, its terminal and its status stay.
  std::vector<std::string> words = {"systemd-run",
                                    "--scope",
                                    "--quiet",
                                    "--collect",
                                    "--slice=hvlaunch.slice",
                                    "--description=hvlaunch guest " + vm,
                                    "--"};
  words.insert(words.end(), argv.begin(), argv.end());
  const auto program = find_program(words.front());
  if (!program)
    return with_hint(
        {.fault = Fault::missing, .id = "no-program", .message = "there is no systemd-run here"},
        "install it (Debian: apt-get install systemd)");
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (auto& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  ::execv(program->c_str(), pointers.data());
  return errno_error(errno, "execute " + *program);
}

}  // namespace hv::run
