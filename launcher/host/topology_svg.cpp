// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/host/topology_picture.h"
#include "launcher/host/topology_style.h"

#include <algorithm>
#include <iterator>

namespace hv::host {
namespace {

// In user units, which are pixels unless the picture is scaled.
constexpr std::size_t width = 1000;
constexpr std::size_t margin = 24;
constexpr std::size_t pad = 14;
constexpr std::size_t inner = width - 2 * margin - 2 * pad;
constexpr std::size_t cpu_width = 48;
constexpr std::size_t cpu_height = 20;
constexpr std::size_t gap = 5;
constexpr std::size_t box_gap = 12;
constexpr std::size_t box_pad = 8;
constexpr std::size_t box_title = 20;
constexpr std::size_t line = 18;
constexpr std::size_t colours = 8;

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : printable(text)) switch (c) {
      case '&': safe += "&amp;"; break;
      case '<': safe += "&lt;"; break;
      case '>': safe += "&gt;"; break;
      case '"': safe += "&quot;"; break;
      default: safe += c;
    }
  return safe;
}

struct Size {
  std::size_t width = 0;
  std::size_t height = 0;
};

class Drawing {
 public:
  explicit Drawing(const Picture& picture) : picture_(&picture), tenants_(tenants_of(picture)) {}

  std::string text() {
    write(margin, "title", picture_->title, line + 6);
    write(margin, "dim", summary_of(picture_->host));
    y_ += 10;
    for (const auto& package : parts_of(*picture_)) draw_package(package);
    draw_rest();
    draw_legend();
    return fmt::format(
        R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img">
<title>{2}</title>
<desc>{3}</desc>
{4}<rect class="page" width="{0}" height="{1}"/>
{5}</svg>
)",
        width, y_ + margin, escaped(picture_->title), escaped(summary_of(picture_->host)),
        svg_style, body_);
  }

 private:
  template <class... Args>
  void put(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(body_), format, std::forward<Args>(args)...);
    body_ += '\n';
  }

  void put_text(std::size_t x, std::size_t y, std::string_view style_class, std::string_view text) {
    put(R"(<text x="{}" y="{}" class="{}">{}</text>)", x, y, style_class, escaped(text));
  }

  /// A line of text, and below it the next.
  void write(std::size_t x, std::string_view style_class, std::string_view text,
             std::size_t height = line) {
    put_text(x, y_ + height - 5, style_class, text);
    y_ += height;
  }

  void draw_package(const PackagePart& package) {
    // The panel lies below what is in it, and its height is known afterwards.
    auto before = std::exchange(body_, {});
    const auto top = y_;
    y_ += pad;
    write(margin + pad, "head", fmt::format("Package {}", package.number));
    for (const auto& part : package.nodes) draw_node(part);
    y_ += pad;
    auto content = std::exchange(body_, std::move(before));
    put(R"(<rect class="package" x="{}" y="{}" width="{}" height="{}" rx="10"/>)", margin, top,
        width - 2 * margin, y_ - top);
    body_ += content;
    y_ += 14;
  }

  void draw_node(const NodePart& part) {
    if (part.node == nullptr) return;
    y_ += 8;
    draw_memory(*part.node);
    const auto most = part.groups.size() > 1 ? (inner - box_gap) / 2 : inner;
    std::size_t x = margin + pad;
    std::size_t tallest = 0;
    for (const auto& group : part.groups) {
      const auto in_row = per_row(group.cores.size(), (most - 2 * box_pad) / (cpu_width + gap));
      const auto size = size_of(group, in_row);
      if (x + size.width > margin + pad + inner) {
        y_ += tallest + box_gap;
        x = margin + pad;
        tallest = 0;
      }
      draw_group(group, x, in_row, size);
      x += size.width + box_gap;
      tallest = std::max(tallest, size.height);
    }
    y_ += tallest + 8;
    for (const auto* const device : part.devices) draw_device(*device);
  }

  void draw_memory(const Node& node) {
    const auto title = fmt::format("Node {}", node.number);
    put_text(margin + pad, y_ + line - 5, "head", title);
    if (node.memory_mib != 0) {
      put_text(margin + pad + 64, y_ + line - 5, "dim", memory_of(node));
      draw_bar(node, margin + pad + inner / 3 + 20, y_ + 3, inner - inner / 3 - 20);
    }
    y_ += line + 2;
    auto details = pools_of(node);
    if (!details.empty()) details.front() = "huge pages " + details.front();
    if (node.distances.size() > 1) {
      std::string distances = "distance to node";
      for (std::size_t i = 0; i < std::min(node.distances.size(), picture_->host.nodes.size()); ++i)
        distances += fmt::format("{} {}: {}", i == 0 ? "" : ",", picture_->host.nodes[i].number,
                                 node.distances[i]);
      details.push_back(std::move(distances));
    }
    if (!details.empty()) write(margin + pad, "dim small", join(details, " · "));
    y_ += 4;
  }

  void draw_bar(const Node& node, std::size_t x, std::size_t y, std::size_t wide) {
    const auto [huge, free] = shares_of(node);
    const auto part = [&](double share) {
      return static_cast<std::size_t>(share * static_cast<double>(wide));
    };
    const auto used = wide - part(huge) - part(free);
    std::size_t at = x;
    for (const auto& [name, length] :
         {std::pair{"used", used}, std::pair{"huge", part(huge)}, std::pair{"free", part(free)}}) {
      if (length != 0)
        put(R"(<rect class="{}" x="{}" y="{}" width="{}" height="11"/>)", name, at, y, length);
      at += length;
    }
    put(R"(<rect class="frame" x="{}" y="{}" width="{}" height="11" rx="2"/>)", x, y, wide);
  }

  [[nodiscard]] static std::size_t threads_of(const CoreGroup& group) {
    std::size_t most = 1;
    for (const auto* const core : group.cores) most = std::max(most, core->cpus.size());
    return most;
  }

  [[nodiscard]] static Size core_size(const CoreGroup& group) {
    return {.width = cpu_width, .height = threads_of(group) * (cpu_height + 1) + 3};
  }

  [[nodiscard]] static Size size_of(const CoreGroup& group, std::size_t in_row) {
    const auto rows = (group.cores.size() + in_row - 1) / in_row;
    const auto [wide, high] = core_size(group);
    const auto cores = in_row * (wide + gap) - gap;
    const auto title = title_of(group).size() * 6;  // About: 11 px letters are narrower.
    return {.width = std::max(cores, title) + 2 * box_pad,
            .height = box_title + rows * (high + gap) - gap + box_pad};
  }

  void draw_group(const CoreGroup& group, std::size_t x, std::size_t in_row, Size size) {
    put(R"(<rect class="cache" x="{}" y="{}" width="{}" height="{}" rx="6"/>)", x, y_, size.width,
        size.height);
    put_text(x + box_pad, y_ + box_title - 6, "dim small", title_of(group));
    const auto [wide, high] = core_size(group);
    for (std::size_t i = 0; i < group.cores.size(); ++i)
      draw_core(*group.cores[i], x + box_pad + i % in_row * (wide + gap),
                y_ + box_title + i / in_row * (high + gap), high);
  }

  void draw_core(const Core& core, std::size_t x, std::size_t y, std::size_t high) {
    const auto* const kind = core.kind == CpuKind::efficiency ? "core efficiency" : "core";
    put(R"(<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="4"/>)", kind, x, y, cpu_width,
        high);
    y += 2;
    for (const auto cpu : core.cpus) {
      draw_cpu(core, cpu, x + 2, y);
      y += cpu_height + 1;
    }
  }

  void draw_cpu(const Core& core, std::uint32_t cpu, std::size_t x, std::size_t y) {
    const auto& host = picture_->host;
    const auto use = tenants_.uses.find(cpu);
    const bool taken = use != tenants_.uses.end();
    std::string look = taken ? fmt::format("cpu g{}", use->second.guest % colours) : "cpu";
    if (host.isolated.contains(cpu)) look += " isolated";
    if (!host.allowed.contains(cpu)) look += " forbidden";
    const auto kind = core.kind == CpuKind::performance  ? ", performance"
                      : core.kind == CpuKind::efficiency ? ", efficiency"
                                                         : "";
    put(R"(<g><title>CPU {}: core {}{}, node {}{}</title>)", cpu, core.id, kind, core.node,
        taken ? ": " + escaped(use->second.who) : "");
    put(R"(<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="3"/>)", look, x, y,
        cpu_width - 4, cpu_height);
    put_text(x + 4, y + 14, taken ? "small" : "small dim", fmt::format("{}", cpu));
    if (taken) put_text(x + cpu_width - 8, y + 14, "who", use->second.label);
    body_.pop_back();
    body_ += "</g>\n";
  }

  void draw_device(const NearDevice& device) {
    put_text(margin + pad, y_ + 11, "dim small", device.address);
    write(margin + pad + 92, "small", device.description, 16);
  }

  void draw_rest() {
    for (const auto* const node : nodes_without_cpus(picture_->host)) draw_memory(*node);
    const auto devices = devices_elsewhere(*picture_);
    if (devices.empty()) return;
    write(margin + pad, "head", "Devices on no known node");
    for (const auto* const device : devices) draw_device(*device);
  }

  void draw_legend() {
    y_ += 4;
    for (std::size_t i = 0; i < tenants_.guests.size(); ++i) {
      const auto& [name, letter, vcpus, cpus] = tenants_.guests[i];
      put(R"(<rect class="g{}" x="{}" y="{}" width="24" height="15" rx="3"/>)", i % colours, margin,
          y_ + 1);
      put_text(margin + 16, y_ + 13, "who", letter);
      write(margin + 34, "",
            fmt::format("{}: {} vCPU{} on CPU{} {}", name, vcpus, vcpus == 1 ? "" : "s",
                        cpus.size() == 1 ? "" : "s", to_string(cpus)));
    }
    y_ += 4;
    draw_key();
    if (!tenants_.guests.empty())
      write(margin, "dim small",
            "Behind a CPU's number: guest and vCPU; + for several vCPUs, ++ for several guests.");
    for (const auto& note : notes_of(picture_->host)) write(margin, "dim small", note);
  }

  void draw_key() {
    std::size_t x = margin;
    const auto entry = [&](std::string_view look, std::string_view meaning) {
      const bool is_core = look.starts_with("core");
      put(R"(<rect class="{}" x="{}" y="{}" width="24" height="14" rx="3"/>)", look, x, y_ + 1);
      if (is_core || look == "free")
        put(R"(<rect class="{}" x="{}" y="{}" width="20" height="10" rx="2"/>)",
            is_core ? "cpu" : "frame", x + 2, y_ + 3);
      put_text(x + 31, y_ + 12, "dim small", meaning);
      x += 31 + meaning.size() * 6 + 20;
    };
    if (std::ranges::any_of(picture_->host.nodes, [](auto& node) { return node.memory_mib != 0; }))
      for (const auto& [look, meaning] :
           {std::pair{"used", "memory in use"}, {"huge", "huge pages"}, {"free", "free memory"}})
        entry(look, meaning);
    entry("core", picture_->host.hybrid() ? "P-core and its CPUs" : "core and its CPUs");
    if (picture_->host.hybrid()) entry("core efficiency", "E-core");
    if (!picture_->host.isolated.empty()) entry("cpu isolated", "isolated CPU");
    y_ += line + 2;
  }

  const Picture* picture_;
  Tenants tenants_;
  std::size_t y_ = margin;
  std::string body_;
};

}  // namespace

std::string topology_svg(const Picture& picture) {
  return Drawing(picture).text();
}

}  // namespace hv::host
