// SPDX-License-Identifier: MIT
//
// QEMU's command line as data. Each argument knows what put it there, so that
// `plan` and `explain` can say so.
#pragma once

#include "launcher/plan/plan.h"

#include <boost/json.hpp>

namespace hv::plan {

/// The value of an option without JSON form: "gic-version=3,accel=tcg". Commas
/// in values are doubled here and nowhere else (QEMU's util/keyval.c).
class Props {
 public:
  Props() = default;
  explicit Props(std::string_view type) : text_(escape(type)) {}

  template <class T>
  Props& set(std::string_view key, const T& value) {
    if (!text_.empty()) text_ += ',';
    text_ += fmt::format("{}={}", key, escape(fmt::format("{}", value)));
    return *this;
  }

  template <class T>
  Props& set_if(bool wanted, std::string_view key, const T& value) {
    return wanted ? set(key, value) : *this;
  }

  /// Adds what `more` holds.
  Props& append(const Props& more) {
    if (!more.text_.empty()) text_ += "," + more.text_;
    return *this;
  }

  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  static std::string escape(std::string_view value);

  std::string text_;
};

class CommandLine {
 public:
  /// An option without a value, or with one that QEMU takes as it is.
  void add(std::string_view option, std::string_view value, Cause cause);
  void add(std::string_view option, const Props& value, Cause cause);

  /// An option in JSON form, in which no comma can become an option.
  void add(std::string_view option, const boost::json::object& value, Cause cause);

  /// A descriptor for QEMU; returns the number that arguments name it by.
  int pass(Handle handle, std::string path, Cause cause);

  /// A file that is opened for QEMU; returns the name that it has for a block
  /// node (a set of descriptors of -add-fd, of one).
  std::string pass_file(Handle handle, const std::string& path, const Cause& cause);

  [[nodiscard]] std::vector<Argument>& arguments() { return arguments_; }
  [[nodiscard]] std::vector<Descriptor>& descriptors() { return descriptors_; }

 private:
  std::vector<Argument> arguments_;
  std::vector<Descriptor> descriptors_;
};

}  // namespace hv::plan
