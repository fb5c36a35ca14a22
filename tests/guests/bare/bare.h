// SPDX-License-Identifier: MIT
//
// What the parts of the smallest guest share: ports, the serial console, PCI.
#pragma once

// Not <cstdint>: the C++ library of 32 bits is not installed.
#include <stdint.h>

namespace bare {

using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;

inline void out8(u16 port, u8 value) {
  asm volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}
inline void out16(u16 port, u16 value) {
  asm volatile("outw %0, %1" ::"a"(value), "Nd"(port));
}
inline void out32(u16 port, u32 value) {
  asm volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}
inline u8 in8(u16 port) {
  u8 value;
  asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
inline u32 in32(u16 port) {
  u32 value;
  asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

constexpr u16 com1 = 0x3f8;

inline void put(char c) {
  while ((in8(com1 + 5) & 0x20) == 0) {
  }
  out8(com1, static_cast<u8>(c));
}

inline void say(const char* text) {
  while (*text != '\0') put(*text++);
}

inline void say_hex(u32 value, u32 digits) {
  while (digits-- > 0) put("0123456789abcdef"[value >> digits * 4 & 15]);
}

inline void say_number(u32 value) {
  if (value >= 10) say_number(value / 10);
  put(static_cast<char>('0' + value % 10));
}

struct Function {
  u32 bus, device, function;
};

inline u32 config(const Function& at, u32 offset) {
  out32(0xcf8, 0x80000000U | at.bus << 16 | at.device << 11 | at.function << 8 | offset);
  return in32(0xcfc);
}

inline void set_config(const Function& at, u32 offset, u32 value) {
  out32(0xcf8, 0x80000000U | at.bus << 16 | at.device << 11 | at.function << 8 | offset);
  out32(0xcfc, value);
}

/// Tells the host over vsock, as sd_notify(3) does, if the command line says where:
/// systemd.set_credential=vmm.notify_socket:vsock-stream:2:<port>.
void notify(const Function& vsock, const char* cmdline);

}  // namespace bare
