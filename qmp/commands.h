// SPDX-License-Identifier: MIT
//
// Typed QMP commands. Replies name only the members that are read: QEMU adds
// members in every release, and they must not break anyone.
//
//   auto cpus = client.call(qmp::QueryCpusFast{});
//   if (cpus) for (const auto& cpu : *cpus) pin(cpu.thread_id);
#pragma once

#include "qmp/client.h"

namespace qmp {

/// A base, for there are many such: no arguments, and nothing in the reply.
struct PlainCommand {
  struct Reply {};
  [[nodiscard]] boost::json::object arguments() const;
  [[nodiscard]] static Result<Reply> read(const boost::json::value& reply);
};

/// Resumes a guest, also one that was started with -S.
struct Cont : PlainCommand {
  static constexpr std::string_view name = "cont";
};
struct Stop : PlainCommand {
  static constexpr std::string_view name = "stop";
};
/// Presses the power button; the guest may ignore it.
struct SystemPowerdown : PlainCommand {
  static constexpr std::string_view name = "system_powerdown";
};
struct SystemReset : PlainCommand {
  static constexpr std::string_view name = "system_reset";
};
/// The connection may close before or after the reply.
struct Quit : PlainCommand {
  static constexpr std::string_view name = "quit";
};

/// A base: no arguments.
struct Query {
  [[nodiscard]] boost::json::object arguments() const;
};

struct QueryStatus : Query {
  static constexpr std::string_view name = "query-status";
  struct Reply {
    bool running = false;
    std::string status;  ///< "prelaunch", "running", "paused", "shutdown", ...
  };
  [[nodiscard]] static Result<Reply> read(const boost::json::value& reply);
};

struct QueryVersion : Query {
  static constexpr std::string_view name = "query-version";
  struct Reply {
    unsigned major = 0;
    unsigned minor = 0;
    unsigned micro = 0;
    std::string package;
  };
  [[nodiscard]] static Result<Reply> read(const boost::json::value& reply);
};

struct QueryName : Query {
  static constexpr std::string_view name = "query-name";
  struct Reply {
    std::optional<std::string> name;
  };
  [[nodiscard]] static Result<Reply> read(const boost::json::value& reply);
};

struct QueryTarget : Query {
  static constexpr std::string_view name = "query-target";
  struct Reply {
    std::string arch;
  };
  [[nodiscard]] static Result<Reply> read(const boost::json::value& reply);
};

struct QueryKvm : Query {
  static constexpr std::string_view name = "query-kvm";
  struct Reply {
    bool present = false;  ///< Built in.
    bool enabled = false;  ///< In use.
  };
  [[nodiscard]] static Result<Reply> read(const boost::json::value& reply);
};

struct Cpu {
  std::uint64_t index = 0;
  pid_t thread_id = 0;
  std::string qom_path;
};
struct QueryCpusFast : Query {
  static constexpr std::string_view name = "query-cpus-fast";
  using Reply = std::vector<Cpu>;
  [[nodiscard]] static Result<Reply> read(const boost::json::value& reply);
};

struct Iothread {
  std::string id;
  pid_t thread_id = 0;
};
struct QueryIothreads : Query {
  static constexpr std::string_view name = "query-iothreads";
  using Reply = std::vector<Iothread>;
  [[nodiscard]] static Result<Reply> read(const boost::json::value& reply);
};

/// Sizes in bytes.
struct QueryMemorySizeSummary : Query {
  static constexpr std::string_view name = "query-memory-size-summary";
  struct Reply {
    std::uint64_t base_bytes = 0;
    std::uint64_t plugged_bytes = 0;
  };
  [[nodiscard]] static Result<Reply> read(const boost::json::value& reply);
};

/// Refused where there is no balloon device.
struct QueryBalloon : Query {
  static constexpr std::string_view name = "query-balloon";
  struct Reply {
    std::uint64_t actual_bytes = 0;
  };
  [[nodiscard]] static Result<Reply> read(const boost::json::value& reply);
};

struct Medium {
  std::string node_name;
  std::string driver;
  std::string file;
  std::uint64_t size_bytes = 0;  ///< As the guest sees it.
  bool read_only = false;
};
struct BlockDevice {
  std::string device;  ///< Empty for devices made with -device and -blockdev.
  std::string qdev;
  std::optional<Medium> inserted;
};
struct QueryBlock : Query {
  static constexpr std::string_view name = "query-block";
  using Reply = std::vector<BlockDevice>;
  [[nodiscard]] static Result<Reply> read(const boost::json::value& reply);
};

struct MachineType {
  std::string name;
  std::string alias;  ///< "q35" for the newest "pc-q35-*"; else empty.
  bool is_default = false;
  bool deprecated = false;
  bool hotpluggable_cpus = false;
  std::uint64_t cpu_max = 0;
  std::string default_cpu_type;
};
struct QueryMachines : Query {
  static constexpr std::string_view name = "query-machines";
  using Reply = std::vector<MachineType>;
  [[nodiscard]] static Result<Reply> read(const boost::json::value& reply);
};

struct CpuDefinition {
  std::string name;
  std::string type_name;
  bool deprecated = false;
  /// Empty: this host and accelerator can run it, or QEMU does not say.
  std::vector<std::string> unavailable_features;
};
struct QueryCpuDefinitions : Query {
  static constexpr std::string_view name = "query-cpu-definitions";
  using Reply = std::vector<CpuDefinition>;
  [[nodiscard]] static Result<Reply> read(const boost::json::value& reply);
};

struct QueryCommands : Query {
  static constexpr std::string_view name = "query-commands";
  using Reply = std::vector<std::string>;
  [[nodiscard]] static Result<Reply> read(const boost::json::value& reply);
};

struct CommandLineOption {
  std::string name;
  std::vector<std::string> parameters;
};
struct QueryCommandLineOptions {
  static constexpr std::string_view name = "query-command-line-options";
  using Reply = std::vector<CommandLineOption>;
  std::string option{};  ///< Empty: all.
  [[nodiscard]] boost::json::object arguments() const;
  [[nodiscard]] static Result<Reply> read(const boost::json::value& reply);
};

struct QomType {
  std::string name;
  std::string parent;
  bool abstract = false;
};
struct QomListTypes {
  static constexpr std::string_view name = "qom-list-types";
  using Reply = std::vector<QomType>;
  std::string implements{};  ///< Empty: all.
  bool abstract = false;     ///< Abstract ones too.
  [[nodiscard]] boost::json::object arguments() const;
  [[nodiscard]] static Result<Reply> read(const boost::json::value& reply);
};

struct Property {
  std::string name;
  std::string type;
  std::string description;
};

/// Some types abort some QEMUs when asked: ask only for types that are needed.
struct QomListProperties {
  static constexpr std::string_view name = "qom-list-properties";
  using Reply = std::vector<Property>;
  std::string type_name;
  [[nodiscard]] boost::json::object arguments() const;
  [[nodiscard]] static Result<Reply> read(const boost::json::value& reply);
};

/// What an object of the running QEMU has: its children are among its properties.
struct QomList {
  static constexpr std::string_view name = "qom-list";
  using Reply = std::vector<Property>;
  std::string path;
  [[nodiscard]] boost::json::object arguments() const;
  [[nodiscard]] static Result<Reply> read(const boost::json::value& reply);
};

/// A property that is a number.
struct QomGetNumber {
  static constexpr std::string_view name = "qom-get";
  using Reply = std::uint64_t;
  std::string path;
  std::string property;
  [[nodiscard]] boost::json::object arguments() const;
  [[nodiscard]] static Result<Reply> read(const boost::json::value& reply);
};

/// The same caution holds.
struct DeviceListProperties {
  static constexpr std::string_view name = "device-list-properties";
  using Reply = std::vector<Property>;
  std::string type_name;
  [[nodiscard]] boost::json::object arguments() const;
  [[nodiscard]] static Result<Reply> read(const boost::json::value& reply);
};

}  // namespace qmp
