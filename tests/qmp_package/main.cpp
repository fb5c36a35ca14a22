// SPDX-License-Identifier: MIT
#include <qmp/client.h>
#include <qmp/commands.h>

#include <cstdio>

int main(int argc, char** argv) {
  auto client = qmp::Client::connect(argc > 1 ? argv[1] : "/nonexistent");
  if (!client) return std::printf("%s\n", client.error().message.c_str()) > 0 ? 0 : 1;
  const auto status = client->call(qmp::QueryStatus{});
  return status && status->running ? 0 : 1;
}
