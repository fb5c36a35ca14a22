// SPDX-License-Identifier: MIT
//
// Reads the members of one JSON object into typed values. A read never fails
// on the spot: it notes the problem and returns a default, so that one run
// reports everything that is wrong with a profile.
//
//     Video read_video(Fields& fields) {
//       return {.heads = fields["heads"].number({.min = 1, .max = 16, .fallback = 1},
//                                               {.text = "How many screens", .example = "2"})};
//     }
//
// The same functions, run to record instead, describe the fields: see description.h.
#pragma once

#include "profiles/description.h"
#include "profiles/forms.h"
#include "profiles/profile.h"
#include "profiles/words.h"

#include <boost/json/fwd.hpp>

#include <array>
#include <span>
#include <type_traits>

namespace hv::profiles {

/// What comes out of reading besides the values.
struct Reading {
  Errors problems{};
  std::vector<FieldDescription>* recorded = nullptr;  ///< Set: describe, there is no document.

  void note(std::string_view id, std::string pointer, std::string message, std::string hint = {});
};

/// The rule of a number. Without `fallback` it must be given.
struct Range {
  std::uint64_t min = 0;
  std::uint64_t max = 0;
  std::optional<std::uint64_t> fallback{};  ///< Outside the range: stands for "not set".
  std::string_view unit{};  ///< "KiB", "MiB" or "GiB": strings like "8G" will do too.
};

/// The rule of a string. Without `fallback` it must be given, and not be empty.
struct Text {
  std::optional<std::string_view> fallback = "";
  const Form& form = any_text;
};

class Fields;

/// One value of the document, or the place where it would be.
class Item {
 public:
  [[nodiscard]] Sourced<std::uint64_t> number(const Range& range, const Doc& doc) const;

  /// A number, or AUTO_DETECT, or AUTO_DETECT_MIN_<number>; `least` is the
  /// minimum of the bare word.
  [[nodiscard]] Sourced<Amount> amount(const Range& range, std::uint64_t least,
                                       const Doc& doc) const;

  [[nodiscard]] Sourced<bool> flag(bool fallback, const Doc& doc) const;

  [[nodiscard]] Sourced<Wish> wish(const Doc& doc) const;

  [[nodiscard]] Sourced<std::string> text(const Text& rule, const Doc& doc) const;

  /// One of a table's words, as its value.
  template <class E, std::size_t N>
  [[nodiscard]] Sourced<E> word(const Word<E> (&table)[N], E fallback, const Doc& doc) const {
    std::array<std::string_view, N> words;
    std::size_t chosen = N;
    for (std::size_t i = N; i-- > 0;) {
      words[i] = table[i].word;
      if (table[i].value == fallback) chosen = i;
    }
    auto [index, pointer] = pick(words, chosen, doc);
    return {table[index].value, std::move(pointer)};
  }

  /// A string that `parse` makes a T of. `fallback` stands if it is not given.
  template <class T>
  [[nodiscard]] Sourced<T> parsed(Result<T> (*parse)(std::string_view), const Form& form,
                                  const Doc& doc) const {
    auto raw = text({.form = form}, doc);
    if (raw.value.empty()) return {{}, std::move(raw.pointer)};
    auto result = parse(raw.value);
    if (result) return {*std::move(result), std::move(raw.pointer)};
    reading_.note(result.error().id, raw.pointer, result.error().message, result.error().hint);
    return {{}, std::move(raw.pointer)};
  }

  /// What `read` makes of the members of an object. If `short_form` names one
  /// of them, its value may stand in the object's place.
  template <class Read>
  auto object(Read read, const Doc& doc, std::string_view short_form = {}) const;

  /// What `read` makes of each element of a list.
  template <class Read>
  [[nodiscard]] auto list(Read read, const Doc& doc) const {
    using Element = std::invoke_result_t<Read, const Item&>;
    const auto path = pointer();
    const auto count = begin_list(doc);
    std::vector<Element> elements;
    elements.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto index = is_recording() ? "*" : std::to_string(i);
      elements.push_back(read(Item(reading_, element(i), path, index, Parent::present)));
    }
    return elements;
  }

  /// An object whose members are all strings, with names of the user's choice.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> map(const Doc& doc) const;

  /// An object of toggles, with QEMU's names.
  [[nodiscard]] std::vector<Feature> wishes(const Doc& doc) const;

  /// An object of flags, numbers and texts, with QEMU's names.
  [[nodiscard]] std::vector<CpuProperty> properties(const Doc& doc) const;

 private:
  friend class Fields;
  enum class Parent : std::uint8_t { absent, present };

  Item(Reading& reading, const boost::json::value* value, std::string_view parent,
       std::string_view key, Parent state)
      : reading_(reading), value_(value), parent_(parent), key_(key), state_(state) {}

  [[nodiscard]] std::string pointer() const;
  [[nodiscard]] Sourced<std::size_t> pick(std::span<const std::string_view> words,
                                          std::size_t fallback, const Doc& doc) const;
  [[nodiscard]] std::size_t begin_list(const Doc& doc) const;
  [[nodiscard]] const boost::json::value* element(std::size_t index) const;

  /// Gives `read` each member of an object whose names are QEMU's, and its name.
  template <class Read>
  void each_named(Read read) const;

  /// Describes the field if that is what the reading is for.
  void record(FieldDescription description) const;
  [[nodiscard]] bool is_recording() const { return reading_.recorded != nullptr; }
  void note(std::string_view id, std::string message, std::string hint = {}) const;
  void note_missing(const Doc& doc) const;
  void note_type(std::string_view expected, std::string hint = {}) const;
  [[nodiscard]] std::optional<std::string_view> string(std::string_view expected) const;
  [[nodiscard]] std::optional<std::uint64_t> whole(const Range& range) const;
  [[nodiscard]] bool check_range(std::uint64_t number, const Range& range) const;

  Reading& reading_;
  const boost::json::value* value_;  ///< nullptr: not in the document.
  std::string_view parent_;          ///< The pointer of what holds it.
  std::string_view key_;             ///< Empty: `parent_` is its own pointer.
  Parent state_;
};

/// The members of one object. Notes, when it ends, each member that nothing read.
class Fields {
 public:
  /// `value` is nullptr where the document has no such object.
  Fields(Reading& reading, const boost::json::value* value, std::string pointer,
         std::string_view short_form = {});
  Fields(const Fields&) = delete;
  Fields& operator=(const Fields&) = delete;
  ~Fields();

  [[nodiscard]] Item operator[](std::string_view key);

  /// Whether the document has the object, or what stands in its place.
  [[nodiscard]] bool given() const { return object_ != nullptr || short_value_ != nullptr; }
  [[nodiscard]] const std::string& pointer() const { return pointer_; }

 private:
  void note_unknown(std::string_view key);

  Reading& reading_;
  const boost::json::object* object_ = nullptr;
  const boost::json::value* short_value_ = nullptr;  ///< Stands for the member `short_form_`.
  std::string_view short_form_;
  std::string pointer_;
  std::vector<std::string_view> known_;
  std::size_t found_ = 0;
};

template <class Read>
auto Item::object(Read read, const Doc& doc, std::string_view short_form) const {
  record({.type = FieldType::object, .short_form = short_form, .doc = doc});
  Fields fields(reading_, value_, pointer(), short_form);
  return read(fields);
}

}  // namespace hv::profiles
