// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/host/topology_picture.h"

#include <algorithm>
#include <cmath>

namespace hv::host {
namespace {

constexpr std::size_t width = 80;
constexpr std::size_t indent = 2;

struct Glyphs {
  std::string_view horizontal, vertical, double_line;
  std::string_view top_left, top_right, bottom_left, bottom_right;
  std::string_view used, huge, free;
};

constexpr Glyphs unicode = {"─", "│", "═", "┌", "┐", "└", "┘", "█", "▓", "░"};
constexpr Glyphs plain = {"-", "|", "=", "+", "+", "+", "+", "#", "=", "."};

std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80; }));
}

std::string times(std::string_view text, std::size_t count) {
  std::string result;
  for (std::size_t i = 0; i < count; ++i) result += text;
  return result;
}

std::string padded(std::string text, std::size_t to) {
  const auto now = columns(text);
  if (now < to) text.append(to - now, ' ');
  return text;
}

/// Cut to `most` columns, with dots for what is missing.
std::string fitted(const std::string& text, std::size_t most) {
  if (columns(text) <= most) return text;
  std::string cut;
  std::size_t taken = 0;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80 && ++taken > most - 2) break;
    cut += c;
  }
  return cut + "..";
}

using Lines = std::vector<std::string>;

class Drawing {
 public:
  Drawing(const Picture& picture, Charset charset)
      : picture_(&picture),
        tenants_(tenants_of(picture)),
        glyphs_(charset == Charset::utf8 ? &unicode : &plain) {
    for (const auto cpu : picture.host.online)
      digits_ = std::max(digits_, fmt::formatted_size("{}", cpu));
    for (const auto& [cpu, use] : tenants_.uses) digits_ = std::max(digits_, use.label.size());
  }

  std::string text() {
    add(summary_of(picture_->host));
    for (const auto& package : parts_of(*picture_)) {
      const auto name = fmt::format("Package {} ", package.number);
      add("");
      add(name + times(glyphs_->double_line, width - columns(name)));
      for (const auto& part : package.nodes) add_node(part);
    }
    for (const auto* const node : nodes_without_cpus(picture_->host)) {
      add("");
      add_memory(*node);
    }
    if (const auto devices = devices_elsewhere(*picture_); !devices.empty()) {
      add("");
      add("Devices on no known node");
      add_devices(devices);
    }
    add_guests();
    add_notes();
    return text_;
  }

 private:
  void add(std::string line) {
    line.erase(line.find_last_not_of(' ') + 1);
    text_ += line + '\n';
  }

  void add_node(const NodePart& part) {
    if (part.node == nullptr) return;
    add("");
    add_memory(*part.node);
    std::vector<Lines> row;
    std::size_t taken = indent;
    for (const auto& group : part.groups) {
      auto box = box_of(group);
      const auto wide = columns(box.front());
      if (!row.empty() && taken + 1 + wide > width) {
        add_row(row);
        row.clear();
        taken = indent;
      }
      taken += wide + (row.empty() ? 0 : 1);
      row.push_back(std::move(box));
    }
    add_row(row);
    add_devices(part.devices);
  }

  void add_memory(const Node& node) {
    const auto title = fmt::format("Node {}  {}", node.number, memory_of(node));
    add(node.memory_mib == 0 ? title : padded(title, 40) + bar(node, width - 40));
    if (const auto pools = pools_of(node); !pools.empty())
      add(fitted("  huge pages  " + join(pools, "; "), width));
    if (node.distances.size() < 2) return;
    std::string line = "  distances   ";
    for (std::size_t i = 0; i < std::min(node.distances.size(), picture_->host.nodes.size()); ++i)
      line += fmt::format("{}{}:{}", i == 0 ? "" : "  ", picture_->host.nodes[i].number,
                          node.distances[i]);
    add(fitted(line, width));
  }

  [[nodiscard]] std::string bar(const Node& node, std::size_t cells) const {
    const auto [huge, free] = shares_of(node);
    const auto part = [&](double share) {
      return static_cast<std::size_t>(std::lround(share * static_cast<double>(cells)));
    };
    const auto free_cells = std::min(part(free), cells);
    const auto huge_cells = std::min(part(huge), cells - free_cells);
    return times(glyphs_->used, cells - free_cells - huge_cells) +
           times(glyphs_->huge, huge_cells) + times(glyphs_->free, free_cells);
  }

  [[nodiscard]] std::string cell(const Core& core, bool labels) const {
    std::string text;
    for (const auto cpu : core.cpus) {
      const auto use = tenants_.uses.find(cpu);
      const auto label = use == tenants_.uses.end() ? "" : use->second.label;
      text += fmt::format(" {:>{}}", labels ? label : fmt::format("{}", cpu), digits_);
    }
    return text;
  }

  /// A frame with a row of CPUs' numbers, and below each row who runs on them.
  [[nodiscard]] Lines box_of(const CoreGroup& group) const {
    const auto& cores = group.cores;
    std::size_t wide = 0;
    for (const auto* const core : cores) wide = std::max(wide, cell(*core, false).size() + 1);
    constexpr auto most = width - indent - 1;
    const auto rows_of = [&](std::size_t cell_width) {
      const auto row = std::max<std::size_t>(per_row(cores.size(), most / (cell_width + 1)), 1);
      return (cores.size() + row - 1) / row;
    };
    // Without the space at their end, eight cores of a large host fit in one row.
    if (rows_of(wide - 1) < rows_of(wide)) --wide;
    const auto in_row = std::max<std::size_t>(per_row(cores.size(), most / (wide + 1)), 1);
    Lines rows;
    for (std::size_t first = 0; first < cores.size(); first += in_row) {
      const auto last = std::min(first + in_row, cores.size());
      for (const bool labels : {false, true}) {
        std::string row;
        bool any = !labels;
        for (auto i = first; i < last; ++i) {
          const auto text = cell(*cores[i], labels);
          any = any || text.find_first_not_of(' ') != std::string::npos;
          row += (i == first ? "" : std::string(glyphs_->vertical)) + padded(text, wide);
        }
        if (any) rows.push_back(std::move(row));
      }
    }
    const auto title = fitted(" " + title_of(group) + " ", width - indent - 3);
    const auto inner = std::max(in_row * (wide + 1) - 1, columns(title) + 1);
    Lines box = {fmt::format("{}{}{}{}", glyphs_->top_left, title,
                             times(glyphs_->horizontal, inner - columns(title)),
                             glyphs_->top_right)};
    for (auto& row : rows)
      box.push_back(fmt::format("{0}{1}{0}", glyphs_->vertical, padded(std::move(row), inner)));
    box.push_back(fmt::format("{}{}{}", glyphs_->bottom_left, times(glyphs_->horizontal, inner),
                              glyphs_->bottom_right));
    return box;
  }

  void add_row(const std::vector<Lines>& boxes) {
    std::size_t height = 0;
    for (const auto& box : boxes) height = std::max(height, box.size());
    for (std::size_t i = 0; i < height; ++i) {
      std::string line(indent, ' ');
      for (const auto& box : boxes) {
        if (line.size() > indent) line += ' ';
        line += padded(i < box.size() ? box[i] : "", columns(box.front()));
      }
      add(std::move(line));
    }
  }

  void add_devices(const std::vector<const NearDevice*>& devices) {
    for (const auto* const device : devices)
      add(fitted(fmt::format("  {}  {}", device->address, printable(device->description)), width));
  }

  void add_guests() {
    if (tenants_.guests.empty()) return;
    add("");
    add("Guests");
    std::size_t longest = 0;
    for (const auto& guest : tenants_.guests) longest = std::max(longest, guest.name.size());
    for (const auto& [name, letter, vcpus, cpus] : tenants_.guests)
      add(fitted(fmt::format("  {}  {:<{}}  {} vCPU{} on CPU{} {}", letter, name, longest, vcpus,
                             vcpus == 1 ? "" : "s", cpus.size() == 1 ? "" : "s", to_string(cpus)),
                 width));
  }

  void add_notes() {
    add("");
    if (std::ranges::any_of(picture_->host.nodes, [](auto& node) { return node.memory_mib != 0; }))
      add(fmt::format("memory: {} used  {} huge pages  {} free", glyphs_->used, glyphs_->huge,
                      glyphs_->free));
    if (!tenants_.guests.empty())
      add("below a CPU: guest and vCPU; '+' several vCPUs, '++' several guests");
    for (const auto& note : notes_of(picture_->host)) add(fitted(note, width));
  }

  const Picture* picture_;
  Tenants tenants_;
  const Glyphs* glyphs_;
  std::size_t digits_ = 2;
  std::string text_;
};

}  // namespace

std::string topology_text(const Picture& picture, Charset charset) {
  return Drawing(picture, charset).text();
}

}  // namespace hv::host
