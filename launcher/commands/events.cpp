// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/load.h"
#include "launcher/commands/output.h"
#include "launcher/run/lock.h"
#include "launcher/run/monitor.h"

#include <boost/json.hpp>

#include <charconv>

namespace hv::commands {
namespace {

namespace json = boost::json;

void print_event(const Context& context, const ::qmp::Event& event) {
  const auto microseconds = event.timestamp.count();
  if (context.json) {
    print_json(
        json::object{{"event", event.name}, {"data", event.data}, {"timestamp_us", microseconds}});
  } else {
    const auto data = event.data.empty() ? "" : " " + json::serialize(event.data);
    print(fmt::format("{}  {}{}\n", local_time(microseconds / 1'000'000), printable(event.name),
                      printable(data)));
  }
  (void)std::fflush(stdout);  // A reader behind a pipe wants it now; main() checks the last one.
}

Result<std::chrono::seconds> time_limit(const Arguments& arguments) {
  constexpr std::chrono::hours for_ever{24 * 365};
  if (!arguments.has("timeout")) return for_ever;
  const auto text = arguments.value("timeout");
  std::uint32_t seconds = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || stop != text.data() + text.size())
    return fail(Fault::usage, "usage", "--timeout takes seconds, not '{}'", text);
  return std::chrono::seconds(seconds);
}

/// The shared socket: events would hold hvlaunch's own monitor for long.
Result<::qmp::Client> connect_shared(const Context& context, const run::Place& place) {
  auto client = ::qmp::Client::connect(place.file("qmp.sock"));
  if (client) return *std::move(client);
  if (!run::is_locked(context.root, place.lock())) return std::unexpected(run::not_running(place));
  return std::unexpected(with_hint(
      {.fault = Fault::state,
       .id = "not-watched",
       .message = fmt::format("'{}' runs without `watch`, which passes events on", place.vm)},
      fmt::format("`hvlaunch watch {} &` attaches one", place.vm)));
}

}  // namespace

Outcome events_command(Context& context, const Arguments& arguments) {
  const auto place = TRY_OUTCOME(guest_of(context, arguments.vm()));
  const auto limit = TRY_OUTCOME(time_limit(arguments));
  const auto until = arguments.value("until");
  auto client = TRY_OUTCOME(connect_shared(context, place));
  const ::qmp::Deadline deadline(std::chrono::steady_clock::now() + limit);
  for (;;) {
    const auto event = client.next_event(deadline);
    if (!event && event.error().kind == ::qmp::Error::Kind::closed && until.empty()) return {};
    if (!event && event.error().kind == ::qmp::Error::Kind::timed_out)
      return failed(
          {.fault = Fault::timed_out,
           .id = "no-event",
           .message = fmt::format("no {} within {} s", until.empty() ? "further event" : until,
                                  limit.count())});
    if (!event) return failed(run::error_of(event.error(), "waiting for an event"));
    print_event(context, *event);
    if (event->name == until) return {};
  }
}

}  // namespace hv::commands
