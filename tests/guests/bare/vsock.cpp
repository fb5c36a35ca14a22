// SPDX-License-Identifier: MIT
//
// One message to the host by virtio-vsock, without interrupts: the specification's
// sections 2.7 (split virtqueues), 4.1 (PCI) and 5.10 (sockets).
#include "bare.h"

namespace bare {
namespace {

using u64 = uint64_t;

struct [[gnu::packed]] Packet {
  u64 from_cid, to_cid;
  u32 from_port, to_port, length;
  u16 type, operation;
  u32 flags, buffer_size, forwarded;
  char text[64];
};
constexpr u32 header_size = 44;
constexpr u16 stream = 1;
constexpr u16 request = 1, response = 2, shut_down = 4, data = 5;
constexpr u32 our_port = 4096, host_cid = 2;

constexpr u16 queue_size = 8;
struct Descriptor {
  u64 address;
  u32 length;
  u16 flags, next;
};
struct Queue {
  alignas(16) Descriptor descriptors[queue_size];
  alignas(4) struct { u16 flags, index, ring[queue_size]; } available;
  alignas(4) struct {
    u16 flags;
    volatile u16 index;
    struct {
      u32 id, length;
    } ring[queue_size];
  } used;
  Packet packets[queue_size];
  u32 doorbell;
};
Queue received, sent, events;

template <class T>
volatile T& at(u32 address) {
  return *reinterpret_cast<volatile T*>(address);
}

/// Where a structure of the device's is, by its kind; 0: nowhere below 4 GiB.
u32 structure(const Function& device, u32 kind, u32* multiplier = nullptr) {
  for (u32 cap = config(device, 0x34) & 0xfc; cap != 0; cap = config(device, cap) >> 8 & 0xfc) {
    const u32 head = config(device, cap);
    if ((head & 0xff) != 9 || head >> 24 != kind) continue;
    const u32 bar = 0x10 + 4 * (config(device, cap + 4) & 0xff);
    const u32 base = config(device, bar);
    if ((base & 4) != 0 && config(device, bar + 4) != 0) return 0;
    if (multiplier != nullptr) *multiplier = config(device, cap + 16);
    return (base & ~15U) + config(device, cap + 8);
  }
  return 0;
}

void begin(u32 common, u32 doorbells, u32 multiplier, u16 number, Queue& queue) {
  at<u16>(common + 22) = number;
  at<u16>(common + 24) = queue_size;
  const auto put = [&](u32 offset, const volatile void* part) {
    at<u32>(common + offset) = reinterpret_cast<u32>(part);
    at<u32>(common + offset + 4) = 0;
  };
  put(32, queue.descriptors);
  put(40, &queue.available);
  put(48, &queue.used);
  queue.doorbell = doorbells + at<u16>(common + 30) * multiplier;
  at<u16>(common + 28) = 1;
}

void offer(Queue& queue, u16 slot, u32 length, u16 flags, u16 number) {
  queue.descriptors[slot] = {reinterpret_cast<u32>(&queue.packets[slot]), length, flags, 0};
  queue.available.ring[queue.available.index % queue_size] = slot;
  asm volatile("" ::: "memory");
  queue.available.index = static_cast<u16>(queue.available.index + 1);
  asm volatile("mfence" ::: "memory");
  at<u16>(queue.doorbell) = number;
}

void send(u32 cid, u32 port, u16 operation, const char* text, u32 flags = 0) {
  const u16 slot = sent.available.index % queue_size;
  Packet& packet = sent.packets[slot];
  u32 length = 0;
  for (; text[length] != '\0'; ++length) packet.text[length] = text[length];
  packet.from_cid = cid;
  packet.to_cid = host_cid;
  packet.from_port = our_port;
  packet.to_port = port;
  packet.length = length;
  packet.type = stream;
  packet.operation = operation;
  packet.flags = flags;
  packet.buffer_size = sizeof packet.text;
  packet.forwarded = 0;
  offer(sent, slot, header_size + length, 0, 1);
}

/// Whether the host's first answer is that it takes the connection.
bool connected() {
  while (received.used.index == 0) asm volatile("pause" ::: "memory");
  return received.packets[received.used.ring[0].id].operation == response;
}

/// The port of the last word that names one; 0: none does.
u32 port_in(const char* line) {
  constexpr char word[] = "systemd.set_credential=vmm.notify_socket:vsock-stream:2:";
  for (; *line != '\0'; ++line) {
    u32 i = 0;
    while (word[i] != '\0' && line[i] == word[i]) ++i;
    if (word[i] != '\0') continue;
    u32 port = 0;
    for (line += i; *line >= '0' && *line <= '9'; ++line)
      port = port * 10 + static_cast<u32>(*line - '0');
    return port;
  }
  return 0;
}

}  // namespace

void notify(const Function& vsock, const char* cmdline) {
  const u32 port = port_in(cmdline);
  if (port == 0) return;
  u32 multiplier = 0;
  const u32 common = structure(vsock, 1);
  const u32 doorbells = structure(vsock, 2, &multiplier);
  const u32 own = structure(vsock, 4);
  if (common == 0 || doorbells == 0 || own == 0) return say("bare: vsock is out of reach\r\n");
  constexpr u32 memory_and_master = 6;
  set_config(vsock, 4, config(vsock, 4) | memory_and_master);
  auto& status = at<u8>(common + 20);
  status = 0;
  while (status != 0) asm volatile("pause");
  status = 1 | 2;  // ACKNOWLEDGE, DRIVER
  at<u32>(common + 8) = 0;
  at<u32>(common + 12) = 0;
  at<u32>(common + 8) = 1;
  at<u32>(common + 12) = 1;  // VIRTIO_F_VERSION_1
  status = 1 | 2 | 8;        // FEATURES_OK
  begin(common, doorbells, multiplier, 0, received);
  begin(common, doorbells, multiplier, 1, sent);
  begin(common, doorbells, multiplier, 2, events);
  status = 1 | 2 | 8 | 4;  // DRIVER_OK
  constexpr u16 for_the_device = 2;
  for (u16 slot = 0; slot < queue_size; ++slot)
    offer(received, slot, sizeof(Packet), for_the_device, 0);
  const u32 cid = at<u32>(own);
  send(cid, port, request, "");
  if (!connected()) return say("bare: nobody listens on vsock\r\n");
  send(cid, port, data, "STATUS=bare and\tready\nREADY=1\n");
  send(cid, port, shut_down, "", 3);  // Neither sends nor receives any more.
  say("bare: told the host\r\n");
}

}  // namespace bare
