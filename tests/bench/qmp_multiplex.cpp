// SPDX-License-Identifier: MIT
//
// Hosts a multiplexer and nothing else, so that its memory can be measured.
#include "qmp/multiplexer.h"

#include <boost/asio/io_context.hpp>

#include <unistd.h>
#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  boost::asio::io_context context(1);
  const auto multiplexer = qmp::Multiplexer::start(
      context, {.upstream = argv[1], .listen = argv[2]},
      {.ready = [] { (void)!::write(STDOUT_FILENO, "\n", 1); },  // Without a reader: no matter.
       .event = [](std::string_view, const auto&) {},
       .closed = [&](const qmp::Error&) { context.stop(); }});
  if (!multiplexer) {
    std::fprintf(stderr, "%s\n", multiplexer.error().message.c_str());
    return 1;
  }
  context.run();
}
