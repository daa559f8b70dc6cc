"""A page in a headless Chromium, by the protocol of its developer tools."""

import base64
import json
import os
import pathlib
import select
import shutil
import subprocess
import time
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
_OPTIONS = """--headless --no-sandbox --disable-gpu --no-first-run --disable-sync --disable-quic
--disable-background-networking --disable-component-update --remote-debugging-pipe"""
_PATIENCE_S = 30.0


class Browser:
    """A page in a browser; a context manager.

    Attributes:
        log: errors, warnings and other lines that the page logged so far.
    """

    def __init__(self, folder: pathlib.Path, address: str, *, width: int = 1100, height: int = 700):
        """Opens a page in a window of this size, px; the browser keeps its files in the folder."""
        self.log: list[str] = []
        self._number, self._read, self._session = 0, b"", {}
        # It reads commands from descriptor 3 and answers at 4, each with a zero byte at the end.
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        assert CHROMIUM is not None
        shell = ("bash", "-c", f'exec "$@" 3<&{commands} 4>&{answers}', "bash")
        browser = (CHROMIUM, *_OPTIONS.split(), f"--user-data-dir={folder / 'profile'}")
        self._process = subprocess.Popen(
            [*shell, *browser, f"--window-size={width},{height}"],
            pass_fds=(commands, answers),
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Runtime", "Log", "Page"):
            self._call(f"{domain}.enable")
        self._call("Page.navigate", url=address)
        self.wait("location.protocol !== 'about:' && document.readyState === 'complete'")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._commands)
        self._process.terminate()
        self._process.wait(_PATIENCE_S)
        os.close(self._answers)

    def value(self, script: str) -> Any:
        """Returns the value of an expression of JavaScript in the page."""
        found = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, script: str) -> Any:
        """Waits until an expression is true, and returns its value."""
        stop = time.monotonic() + _PATIENCE_S
        while not (found := self.value(script)):
            assert time.monotonic() < stop, script
            time.sleep(0.02)
        return found

    def screenshot(self, path: pathlib.Path) -> None:
        """Writes the page as it looks to a file of PNG."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        number = self._number
        command = {"id": number, "method": method, "params": parameters, **self._session}
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        while True:
            message = self._receive()
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            if message.get("method") == "Runtime.consoleAPICalled":
                self.log.append(str(message["params"]["args"]))
            elif message.get("method") == "Runtime.exceptionThrown":
                self.log.append(str(message["params"]["exceptionDetails"]))
            elif message.get("method") == "Log.entryAdded":
                self.log.append(str(message["params"]["entry"]))

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._read:
            assert select.select([self._answers], [], [], _PATIENCE_S)[0], "the browser is silent"
            part = os.read(self._answers, 1 << 16)
            assert part, "the browser ended"
            self._read += part
        message, _, self._read = self._read.partition(b"\0")
        return json.loads(message)
