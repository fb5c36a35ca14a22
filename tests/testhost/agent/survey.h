// SPDX-License-Identifier: MIT
//
// Reads many small files in one go: a fork in the emulated host costs more than
// a hundred reads.
//
//     survey("/sys/bus/pci/devices/*/driver\n/run/hvlaunch/**")
#pragma once

#include <string>
#include <string_view>

/// All that matches the patterns, one a line: `path NUL kind NUL value NUL` each.
/// A `*` stands within a name, a `**` for folders of any depth; neither follows
/// links to folders below a `**`. Kinds: `f` a file's text, `l` a link's target,
/// `d` a folder, `s` anything else, `e` why it cannot be read. Below other file
/// systems than the kernel's own, the text is preceded by mode, owner and size.
std::string survey(std::string_view patterns);
