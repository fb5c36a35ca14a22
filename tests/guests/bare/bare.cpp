// SPDX-License-Identifier: MIT
//
// The smallest guest that shows what it was given: a multiboot kernel of a few
// KB that is up as soon as the firmware is, where a Linux takes ten seconds on
// an emulated host. On COM1, one line each:
//
//     bare: up hypervisor=KVMKVMKVM memory=261120 kB cmdline=...
//     bare: pci 01:00.0 8086:10d3 class=020000 bar0=fea00000 reads=00140241
//     bare: ready
//
// Then it tells the host by vsock, if it was told where (vsock.cpp), and waits for the power
// button. Words of its command line: `poweroff` not to
// wait, `deaf` not to listen to the button, `triple-fault` to crash.
#include "bare.h"

namespace {

using namespace bare;

// Multiboot 1: magic, flags (page-aligned, with memory sizes), checksum.
constexpr u32 multiboot_magic = 0x1BADB002;
constexpr u32 multiboot_flags = 3;
[[gnu::section(".multiboot"), gnu::used]] const u32 multiboot_header[] = {
    multiboot_magic, multiboot_flags, 0U - (multiboot_magic + multiboot_flags)};

struct MultibootInfo {
  u32 flags, lower_kb, upper_kb, boot_device;
  const char* cmdline;
};
constexpr u32 has_cmdline = 1U << 2U;

/// Whether the command line has the word.
bool wanted(const char* line, const char* word) {
  while (*line != '\0') {
    const char* rest = word;
    while (*rest != '\0' && *line == *rest) ++line, ++rest;
    if (*rest == '\0' && (*line == ' ' || *line == '\0')) return true;
    while (*line != '\0' && *line != ' ') ++line;
    while (*line == ' ') ++line;
  }
  return false;
}

void say_hypervisor() {
  u32 words[3], highest;
  asm volatile("cpuid"
               : "=a"(highest), "=b"(words[0]), "=c"(words[1]), "=d"(words[2])
               : "a"(0x40000000));
  for (const u32 word : words)
    for (u32 i = 0; i < 4; ++i) {
      const auto c = static_cast<char>(word >> i * 8);
      if (c > ' ' && c < 127) put(c);
    }
}

void say_function(const Function& at, u32 id, u32 header) {
  say("bare: pci ");
  say_hex(at.bus, 2);
  put(':');
  say_hex(at.device, 2);
  put('.');
  say_hex(at.function, 1);
  put(' ');
  say_hex(id & 0xffff, 4);
  put(':');
  say_hex(id >> 16, 4);
  say(" class=");
  say_hex(config(at, 8) >> 8, 6);
  const u32 bar = config(at, 0x10);
  const bool memory = (bar & 1) == 0 && bar != 0 && (config(at, 4) & 2) != 0;
  const bool below_4g = (bar & 4) == 0 || config(at, 0x14) == 0;
  if (header == 0 && memory && below_4g) {
    say(" bar0=");
    say_hex(bar & ~15U, 8);
    say(" reads=");
    say_hex(*reinterpret_cast<const volatile u32*>(bar & ~15U), 8);
  }
  say("\r\n");
}

bool seen[256];
Function vsock;  // Bus 0 has no such device 0.

/// Follows the bridges rather than trying all addresses: each read leaves the guest.
void say_bus(u32 bus) {
  seen[bus] = true;
  for (u32 device = 0; device < 32; ++device) {
    for (u32 function = 0; function < 8; ++function) {
      const Function at{bus, device, function};
      const u32 id = config(at, 0);
      if ((id & 0xffff) == 0xffff) {
        if (function == 0) break;
        continue;
      }
      const u32 header = config(at, 0xc) >> 16 & 0xff;
      say_function(at, id, header & 0x7f);
      if (id == 0x10531af4) vsock = at;
      const u32 behind = config(at, 0x18) >> 8 & 0xff;
      if ((header & 0x7f) == 1 && behind != 0 && !seen[behind]) say_bus(behind);
      if (function == 0 && (header & 0x80) == 0) break;
    }
  }
}

u16 pm_base;
bool deaf;

[[noreturn]] void power_off() {
  say("bare: powering off\r\n");
  out16(pm_base + 4, 0x2000);  // SLP_EN; QEMU's type for S5 is 0
  for (;;) asm("hlt");
}

struct Frame;

[[gnu::interrupt]] void on_sci(Frame*) {
  constexpr u16 button = 1U << 8U;
  out16(pm_base, button);  // clears it
  say("bare: power button\r\n");
  if (!deaf) power_off();
  out8(0xa0, 0x20);
  out8(0x20, 0x20);
}

// The interrupt controllers make up one (IRQ 7 or 15) for what has gone before it was asked for.
[[gnu::interrupt]] void on_nothing(Frame*) {}

struct [[gnu::packed]] Table {
  u16 limit;
  const void* base;
};

alignas(8) const uint64_t segments[] = {0, 0x00cf9a000000ffff, 0x00cf92000000ffff};
struct Gate {
  u16 low, selector, flags, high;
};
constexpr u32 first_vector = 0x20, sci_vector = 0x29, last_vector = 0x2f;
Gate gates[last_vector + 1];

void set_gate(u32 vector, void (*handler)(Frame*)) {
  const auto at = reinterpret_cast<u32>(handler);
  gates[vector] = {static_cast<u16>(at), 8, 0x8e00, static_cast<u16>(at >> 16)};
}

/// Lets only the power button's interrupt (SCI, IRQ 9) in.
void listen() {
  for (u32 vector = first_vector; vector <= last_vector; ++vector) set_gate(vector, &on_nothing);
  set_gate(sci_vector, &on_sci);
  const Table gdt{sizeof segments - 1, segments};
  const Table idt{sizeof gates - 1, gates};
  // The loader's segments are the same, but its table may be gone.
  asm volatile("lgdt %0\n ljmp $8, $1f\n1: mov %2, %%ds\n mov %2, %%es\n mov %2, %%ss\n lidt %1"
               :
               : "m"(gdt), "m"(idt), "r"(16)
               : "memory");
  constexpr struct {
    u16 port;
    u8 value;
  } controllers[] = {{0x20, 0x11}, {0xa0, 0x11}, {0x21, 0x20}, {0xa1, 0x28}, {0x21, 4},
                     {0xa1, 2},    {0x21, 1},    {0xa1, 1},    {0x21, 0xfb}, {0xa1, 0xfd}};
  for (const auto& [port, value] : controllers) out8(port, value);
  out16(pm_base + 2, 1U << 8U);  // PWRBTN_EN
  asm volatile("sti");
}

}  // namespace

extern "C" [[noreturn]] void start(const MultibootInfo* info) {
  const char* cmdline = (info->flags & has_cmdline) != 0 ? info->cmdline : "";
  // PMBASE of the ICH9's LPC bridge.
  pm_base = static_cast<u16>(config({0, 0x1f, 0}, 0x40) & 0xff80);
  say("bare: up hypervisor=");
  say_hypervisor();
  say(" memory=");
  say_number(info->upper_kb);
  say(" kB cmdline=");
  say(cmdline);
  say("\r\n");
  say_bus(0);
  // Buses of expander bridges hang on nothing.
  for (u32 bus = 1; bus < 256; ++bus)
    if (!seen[bus] && (config({bus, 0, 0}, 0) & 0xffff) != 0xffff) say_bus(bus);
  deaf = wanted(cmdline, "deaf");
  listen();
  say("bare: ready\r\n");
  if (vsock.device != 0) notify(vsock, cmdline);
  if (wanted(cmdline, "poweroff")) power_off();
  if (wanted(cmdline, "triple-fault")) {
    constexpr Table none{0, nullptr};
    asm volatile("lidt %0\n ud2" : : "m"(none));
  }
  for (;;) asm volatile("hlt");
}

asm(R"(
  .globl entry
entry:
  mov $stack_end, %esp
  push %ebx
  call start
  .bss
  .skip 16384
stack_end:
  .text
)");
