# SPDX-License-Identifier: MIT
"""A web server for one folder, on a free port of the loopback that it prints; it can send
the rest of a file, and notes each request on standard error."""
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        wanted = self.headers.get("Range", "")
        print("GET", self.path, wanted, file=sys.stderr, flush=True)
        file = Path(sys.argv[1], self.path.lstrip("/"))
        if not file.is_file():
            return self.answer(404, b"")
        body = file.read_bytes()
        if not (begin := re.fullmatch(r"bytes=(\d+)-", wanted)):
            return self.answer(200, body)
        if int(begin[1]) >= len(body):
            return self.answer(416, b"")
        span = f"bytes {begin[1]}-{len(body) - 1}/{len(body)}"
        return self.answer(206, body[int(begin[1]):], span)

    def answer(self, status, body, span=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if span:
            self.send_header("Content-Range", span)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
