"""A server on this computer alone that sends a page, and messages to it as they come."""

import contextlib
import http.server
import json
import os
import threading
from collections.abc import Generator

HOST = "127.0.0.1"
_SILENCE_S = 5.0  # after which a comment finds out whether a browser is still there
_CLOSING_S = 1.0
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    # Neither scripts nor data from anywhere else, and no other page may frame this one.
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src "
    "'unsafe-inline'; img-src data:; connect-src 'self'; frame-ancestors 'none'",
}


class LiveServer:
    """Sends a page at `/`, and messages at `/poses` as server-sent events; a context manager.

    A browser that is slower than the messages gets the newest one. Messages are kept only until the
    next one.

    Attributes:
        address: of the page.
        page: HTML; empty until there is one.
        reason: for the end, which the page then shows.
    """

    def __init__(self, port: int = 0):
        """Takes a port of the loopback interface.

        Args:
            port: 0 for a free one.

        Raises:
            ValueError: the port is in use, or may not be used.
        """
        self._change = threading.Condition()
        self._number, self._newest, self._ended, self._listeners = 0, b"", False, 0
        self.page, self.reason = "", "Ended"
        try:
            self._server = _Server((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ValueError(
                f"port {port}: not available ({reason}); leave it out for a free one."
            ) from error
        self._server.live = self
        self.address = f"http://{HOST}:{self._server.server_address[1]}/"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="server", daemon=True
        )

    def __enter__(self) -> "LiveServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._change:
            self._ended = True
            self._change.notify_all()
            self._change.wait_for(lambda: not self._listeners, timeout=_CLOSING_S)
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def send(self, message: str) -> None:
        """Sends a message of one line to all browsers that show the page."""
        with self._change:
            self._number, self._newest = self._number + 1, message.encode()
            self._change.notify_all()

    @property
    def listeners(self) -> int:
        """Number of pages that receive messages."""
        return self._listeners

    def events(self) -> Generator[bytes, None, None]:
        """Yields server-sent events until the end: messages, and comments when there are none."""
        last = 0
        with self._change:
            self._listeners += 1
        try:
            while True:
                with self._change:
                    if self._number == last and not self._ended:
                        self._change.wait(_SILENCE_S)
                    ended, number, newest = self._ended, self._number, self._newest
                if number > last:
                    yield b"data: " + newest + b"\n\n"
                elif not ended:
                    yield b": nothing new\n\n"
                if ended:
                    yield b"event: end\ndata: %b\n\n" % json.dumps({"reason": self.reason}).encode()
                    return
                last = number
        finally:
            with self._change:
                self._listeners -= 1
                self._change.notify_all()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = os.name == "posix"  # on Windows it would share the port
    live: LiveServer

    def handle_error(self, request, client_address) -> None:
        """Ignores browsers that went away."""


class _Handler(http.server.BaseHTTPRequestHandler):
    timeout = 10  # s, of a browser that reads nothing
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        """Answers a browser."""
        # A name that somebody else resolves to this computer would let their page read ours.
        host = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
        if host not in (HOST, "localhost"):
            self.send_error(403)
        elif self.path == "/":
            self._begin("text/html; charset=utf-8")
            self.wfile.write(self.server.live.page.encode())
        elif self.path == "/poses":
            self._begin("text/event-stream")
            with contextlib.closing(self.server.live.events()) as events:
                for event in events:
                    self.wfile.write(event)
                    self.wfile.flush()
        else:
            self.send_error(404)

    def _begin(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""
