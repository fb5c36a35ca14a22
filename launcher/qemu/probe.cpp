// SPDX-License-Identifier: MIT
#include "launcher/qemu/capabilities.h"

#include "launcher/base/text.h"
#include "launcher/qemu/probe_child.h"
#include "launcher/qemu/probe_replies.h"
#include "launcher/qemu/resolved.h"
#include "qmp/client.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <span>

namespace hv::qemu {
namespace {

/// All requests in one write, then all replies. What the connection as a whole
/// failed of is the first reply's error, or that of the first one which did not
/// come in time; `quit`, at the end, may have none.
Result<std::vector<Reply>> ask_all(qmp::Client& client, std::span<const qmp::Request> requests,
                                   Deadline deadline) {
  auto replies = client.execute_all(requests, deadline);
  if (!replies) return std::unexpected(error_of(replies.error()));
  const auto& first = replies->front();
  if (!first && !is_refusal(first)) return std::unexpected(error_of(first.error()));
  for (const auto& reply : std::span(*replies).first(replies->size() - 1))
    if (!reply && reply.error().kind == qmp::Error::Kind::timed_out)
      return std::unexpected(error_of(reply.error()));
  return *std::move(replies);
}

/// A conversation's way, from its first word to its last.
struct Talk {
  qmp::Client client;
  Deadline deadline;
};

Result<Talk> begin(UniqueFd socket, std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  auto client = qmp::Client::attach(socket.release(), {.timeout = timeout});
  if (!client) return std::unexpected(error_of(client.error()));
  return Talk{.client = *std::move(client), .deadline = deadline};
}

Result<Capabilities> ask_capabilities(Talk& talk, const Question& question) {
  const auto first = TRY(ask_all(talk.client, first_round(), talk.deadline));
  auto found = TRY(read_first(first));
  const auto requests = second_round(found, question);
  const auto second = TRY(ask_all(talk.client, requests, talk.deadline));
  TRY(read_second(requests, second, found));
  return found;
}

Result<std::vector<ModelFeatures>> ask_models(Talk& talk) {
  const auto first = TRY(ask_all(talk.client, first_round(), talk.deadline));
  const auto found = TRY(read_first(first));
  const std::array question = {qmp::Request{"query-cpu-definitions"}};
  const auto definitions = TRY(ask_all(talk.client, question, talk.deadline));
  std::vector<std::string> names = {found.accelerator == "kvm" ? "host" : "max"};
  // Only on x86 does KVM have other models than the host's.
  if (definitions.front() && found.target == "x86_64")
    for (auto& name : TRY(read_runnable(*definitions.front())))
      if (name != "host" && name != "max") names.push_back(std::move(name));
  std::vector<qmp::Request> requests;
  requests.reserve(names.size() + 1);
  for (const auto& name : names) requests.push_back(expansion_of(found, name));
  requests.push_back({"quit"});
  const auto replies = TRY(ask_all(talk.client, requests, talk.deadline));
  std::vector<ModelFeatures> models;
  for (std::size_t i = 0; i + 1 < replies.size(); ++i)
    if (replies[i]) models.push_back(TRY(read_model(requests[i], *replies[i])));
  return models;
}

/// What went wrong in the conversation, told by how the process took it.
Error explained(Error error, const std::string& binary, ProbeChild& child,
                std::chrono::milliseconds timeout) {
  // Who closed QMP is about to end; who did not is killed now.
  const auto now = std::chrono::steady_clock::now();
  const auto closed = error.id == "qmp-closed";
  const auto end = child.reap(closed ? now + std::chrono::milliseconds(300) : now);
  error.message = closed ? fmt::format("'{}' {} before it had answered", binary, end)
                         : fmt::format("'{}' cannot be used: {}", binary, error.message);
  if (closed) error.id = "qemu-died";
  const bool silent = error.fault == Fault::timed_out;
  if (silent)
    error.message = fmt::format(
        "'{}' did not say what it can do within {} s: it hangs, or this "
        "host is overloaded",
        binary, std::chrono::duration<double>(timeout).count());
  if (const auto words = child.last_words(); !words.empty()) error.message += ":\n" + words;
  if (silent)
    return with_hint(std::move(error),
                     fmt::format("try again when the host is less busy; `{} -machine none -monitor "
                                 "stdio` with `info version` shows whether it answers at all",
                                 shell_quote(binary)));
  return with_hint(std::move(error), "is it a qemu-system-<architecture> that runs on this host?");
}

bool kvm_opens() {
  const auto root = Root::open();
  return root && root->open_file("/dev/kvm", O_RDWR).has_value();
}

/// Starts the binary, and lets `ask` talk with it.
template <class Ask>
auto with_qemu(const std::string& path, std::chrono::milliseconds timeout, bool kvm, Ask ask)
    -> std::invoke_result_t<Ask, Talk&> {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) < 0)
    return fail_errno("make a socket pair");
  UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  std::vector<std::string> argv = {path,
                                   "-machine",
                                   "none",
                                   "-nodefaults",
                                   "-no-user-config",
                                   "-display",
                                   "none",
                                   "-S",
                                   "-chardev",
                                   fmt::format("socket,id=q,fd={}", ProbeChild::socket_number),
                                   "-mon",
                                   "chardev=q,mode=control"};
  // What a CPU can have depends on the accelerator. Of two, QEMU takes the first that works.
  if (kvm) argv.insert(argv.end(), {"-accel", "kvm"});
  argv.insert(argv.end(), {"-accel", "tcg"});
  auto child = TRY(ProbeChild::start(argv, std::move(theirs)));
  auto answer = [&]() -> std::invoke_result_t<Ask, Talk&> {
    auto talk = TRY(begin(std::move(ours), timeout));
    return ask(talk);
  }();
  if (!answer) return std::unexpected(explained(std::move(answer).error(), path, child, timeout));
  return answer;
}

}  // namespace

Result<Capabilities> probe(const std::string& binary, std::chrono::milliseconds timeout,
                           const Question& question) {
  const auto path = TRY(resolved(binary));
  const bool kvm = kvm_opens();
  auto found = TRY(with_qemu(path, timeout, kvm && !question.emulation,
                             [&](Talk& talk) { return ask_capabilities(talk, question); }));
  found.binary = path;
  found.kvm = found.kvm && kvm;
  return found;
}

Result<std::vector<ModelFeatures>> probe_models(const std::string& binary,
                                                std::chrono::milliseconds timeout) {
  return with_qemu(TRY(resolved(binary)), timeout, kvm_opens(), ask_models);
}

}  // namespace hv::qemu
