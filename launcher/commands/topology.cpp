// SPDX-License-Identifier: MIT
#include "launcher/host/topology.h"
#include "launcher/run/lock.h"
#include "launcher/run/observe.h"

#include "launcher/base/text.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/output.h"
#include "launcher/commands/terminal.h"
#include "launcher/host/topology_picture.h"

#include <boost/json.hpp>

namespace hv::commands {
namespace {

namespace json = boost::json;

json::object node_json(const host::Node& node) {
  json::array pools;
  for (const auto& [page_kib, pages, free, surplus] : node.pools)
    pools.push_back(json::object{
        {"page_kib", page_kib}, {"pages", pages}, {"free", free}, {"surplus", surplus}});
  return {{"node", node.number},
          {"cpus", to_string(node.cpus)},
          {"memory_mib", node.memory_mib},
          {"free_mib", node.free_mib},
          {"distances", json::value_from(node.distances)},
          {"hugepages", std::move(pools)}};
}

json::object core_json(const host::Core& core) {
  const auto* const kind = core.kind == host::CpuKind::performance  ? "performance"
                           : core.kind == host::CpuKind::efficiency ? "efficiency"
                                                                    : "uniform";
  return {{"package", core.package},     {"die", core.die},   {"core", core.id},
          {"cache", core.cache},         {"node", core.node}, {"kind", kind},
          {"cpus", to_string(core.cpus)}};
}

json::value as_json(const host::Picture& picture) {
  const auto& host = picture.host;
  json::array cores;
  for (const auto& core : host.cores) cores.push_back(core_json(core));
  json::array caches;
  for (const auto& [level, size_kib, cpus] : host.caches)
    caches.push_back(
        json::object{{"level", level}, {"size_kib", size_kib}, {"cpus", to_string(cpus)}});
  json::array nodes;
  for (const auto& node : host.nodes) nodes.push_back(node_json(node));
  json::array devices;
  for (const auto& [address, description, node] : picture.devices) {
    json::object device{{"address", address}, {"description", description}};
    if (node) device["node"] = *node;
    devices.push_back(std::move(device));
  }
  json::array vcpus;
  for (const auto& [guest, vcpu, cpus] : picture.vcpus)
    vcpus.push_back(json::object{{"guest", guest}, {"vcpu", vcpu}, {"cpus", to_string(cpus)}});
  return json::object{{"online", to_string(host.online)},
                      {"present", to_string(host.present)},
                      {"allowed", to_string(host.allowed)},
                      {"isolated", to_string(host.isolated)},
                      {"nohz_full", to_string(host.nohz_full)},
                      {"cores", std::move(cores)},
                      {"caches", std::move(caches)},
                      {"nodes", std::move(nodes)},
                      {"devices", std::move(devices)},
                      {"vcpus", std::move(vcpus)}};
}

Result<> write_svg(const Context& context, const std::string& file, const std::string& svg) {
  if (file == "-") {
    print(svg);
    return {};
  }
  if (file.front() != '/' && context.directory.empty())
    return fail(Fault::failed, "no-directory", "'{}': the current directory is gone", file);
  const auto path = file.front() == '/' ? file : fmt::format("{}/{}", context.directory, file);
  TRY(context.root.replace(path, svg, 0644));
  say(context, fmt::format("drawn in {}", printable(path)));
  return {};
}

/// The vCPUs of running guests, as they were pinned.
std::vector<host::PlacedVcpu> placed_vcpus(const Context& context) {
  std::vector<host::PlacedVcpu> placed;
  for (const auto& name : run::active_vms(context.root, context.paths)) {
    const run::Place place{context.root, context.paths, name};
    const auto state = run::load_state(place);
    if (!state || !run::is_locked(context.root, place.lock())) continue;
    const auto pins = run::pins_of(*state);
    for (std::size_t i = 0; i < pins.vcpus.size(); ++i)
      placed.push_back({.guest = name, .vcpu = i, .cpus = pins.vcpus[i]});
  }
  return placed;
}

}  // namespace

Outcome topology_command(Context& context, const Arguments& arguments) {
  const auto topology = host::read_topology(context.root);
  const auto devices = host::read_near_devices(context.root);
  const auto vcpus = placed_vcpus(context);
  host::Picture picture{.host = topology, .devices = devices, .vcpus = vcpus};
  if (const auto name = context.root.read("/proc/sys/kernel/hostname"))
    picture.title = "Topology of " + *name;
  if (arguments.has("svg")) {
    const auto file = arguments.value("svg");
    if (file.empty())
      return failed({.fault = Fault::usage,
                     .id = "usage",
                     .message = "--svg needs a file's name",
                     .hint = "--svg host.svg, or --svg - for standard output"});
    TRY_OUTCOME(write_svg(context, file, host::topology_svg(picture)));
  }
  if (context.json)
    print_json(as_json(picture));
  else if (!arguments.has("svg"))
    print(host::topology_text(picture, charset_of(context)));
  return {};
}

}  // namespace hv::commands
