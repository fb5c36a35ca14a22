// SPDX-License-Identifier: MIT
#include "launcher/run/identity.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

namespace hv::run {
namespace {

/// capget(2) and capset(2), for which glibc has no functions.
using Capabilities = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

Capabilities own_capabilities() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  Capabilities own{};
  ::syscall(SYS_capget, &header, own.data());
  return own;
}

bool set(const Capabilities& wanted) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  return ::syscall(SYS_capset, &header, wanted.data()) == 0;
}

/// Looks at files as another user does, for as long as it lives.
class EyesOf {
 public:
  explicit EyesOf(uid_t user)
      : had_(own_capabilities()), group_(::setfsgid(user)), user_(::setfsuid(user)) {
    auto fewer = own_capabilities();
    for (const auto capability : {CAP_DAC_OVERRIDE + 0U, CAP_DAC_READ_SEARCH + 0U})
      fewer.at(CAP_TO_INDEX(capability)).effective &= ~CAP_TO_MASK(capability);
    set(fewer);
  }
  EyesOf(const EyesOf&) = delete;
  EyesOf& operator=(const EyesOf&) = delete;
  ~EyesOf() {
    ::setfsuid(static_cast<uid_t>(user_));
    ::setfsgid(static_cast<gid_t>(group_));
    set(had_);
  }

 private:
  Capabilities had_;
  int group_;
  int user_;
};

Result<> have_only(unsigned capability) {
  Capabilities one{};
  const auto bit = CAP_TO_MASK(capability);
  one.at(CAP_TO_INDEX(capability)) = {.effective = bit, .permitted = bit, .inheritable = bit};
  if (!set(one)) return fail_errno("keep capability {}", capability);
  return {};
}

}  // namespace

bool can_open(const Root& root, const std::string& path, int mode, uid_t user) {
  const EyesOf eyes(user);
  const auto file = root.open_file(path, O_PATH);
  return file && ::syscall(SYS_faccessat2, file->get(), "", mode, AT_EMPTY_PATH | AT_EACCESS) == 0;
}

Result<> limit_capabilities(int kept) {
  for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
    if (capability == kept) continue;
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EPERM)
      return fail_errno("drop capability {}", capability);
  }
  (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  return {};
}

Result<> drop_capabilities() {
  if (!set({})) return fail_errno("give up capabilities");
  return {};
}

Result<> become_user(uid_t user, int kept) {
  if (kept >= 0 && ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) return fail_errno("keep capabilities");
  if (::setgroups(0, nullptr) < 0 || ::setresgid(user, user, user) < 0 ||
      ::setresuid(user, user, user) < 0)
    return fail_errno("become user {}", user);
  if (kept < 0) return {};
  TRY(have_only(static_cast<unsigned>(kept)));
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, kept, 0, 0) < 0)
    return fail_errno("keep capability {}", kept);
  return {};
}

}  // namespace hv::run
