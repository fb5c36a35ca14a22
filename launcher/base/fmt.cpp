// SPDX-License-Identifier: MIT
//
// The compiled half of {fmt}, so that no process of ours looks for a shared one: Debian 12
// has no archive of it, and loading it brings libstdc++.so along, a millisecond for each
// command. Of another version than Debian's the shared library is taken as usual.
#include <fmt/format-inl.h>

#if FMT_VERSION < 100000
FMT_BEGIN_NAMESPACE
namespace detail {
template dragonbox::decimal_fp<float> dragonbox::to_decimal(float) noexcept;
template dragonbox::decimal_fp<double> dragonbox::to_decimal(double) noexcept;
template locale_ref::locale_ref(const std::locale&);
template std::locale locale_ref::get<std::locale>() const;
template thousands_sep_result<char> thousands_sep_impl(locale_ref);
template char decimal_point_impl(locale_ref);
template void buffer<char>::append(const char*, const char*);
template void vformat_to(buffer<char>&, string_view, basic_format_args<FMT_BUFFER_CONTEXT(char)>,
                         locale_ref);
}  // namespace detail
FMT_END_NAMESPACE
#endif
