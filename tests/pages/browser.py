"""A headless Chromium that is told what to do over a pipe by the DevTools protocol, with nothing but Python's library."""

import base64
import fcntl
import json
import os
import subprocess
import time

PATIENCE_S = 60


class Browser:
    """One page. `folder` is for the browser's profile."""

    def __init__(self, program, folder):
        to_browser, self._requests = os.pipe()
        self._replies, from_browser = os.pipe()
        self._n_calls, self._session = 0, None

        def take_pipes():  # --remote-debugging-pipe reads 3 and writes 4
            requests = fcntl.fcntl(to_browser, fcntl.F_DUPFD, 10)
            replies = fcntl.fcntl(from_browser, fcntl.F_DUPFD, 10)
            os.dup2(requests, 3)
            os.dup2(replies, 4)

        self._process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={folder}"],
            preexec_fn=take_pipes, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._reader = os.fdopen(self._replies, "rb")
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def close(self):
        self._process.kill()
        self._process.wait()
        self._reader.close()
        os.close(self._requests)

    def call(self, method, **params):
        """Calls a method of the protocol and returns its result; events are ignored."""
        self._n_calls += 1
        message = {"id": self._n_calls, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._requests, json.dumps(message).encode() + b"\0")
        while True:
            reply = json.loads(self._read())
            if reply.get("id") == self._n_calls:
                assert "error" not in reply, f"{method}: {reply['error']}"
                return reply["result"]

    def _read(self):
        text = bytearray()
        while (byte := self._reader.read(1)) != b"\0":
            assert byte, "the browser has ended"
            text += byte
        return text

    def open(self, path):
        self.call("Page.navigate", url=path.absolute().as_uri())
        self.wait(f"document.readyState === 'complete' && location.href === {json.dumps(path.absolute().as_uri())}")

    def evaluate(self, expression):
        """The value of a JavaScript expression."""
        reply = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in reply, reply["exceptionDetails"]
        return reply["result"].get("value")

    def wait(self, expression):
        """Waits until it is true."""
        end = time.monotonic() + PATIENCE_S
        while not self.evaluate(expression):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.02)

    def show(self, width, height, scheme):
        """Gives the page a size in pixels and a colour scheme, "light" or "dark"."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def click(self, element):
        """Presses and releases the mouse on an element (a JavaScript expression), which must not be covered."""
        self.evaluate(f"{element}.scrollIntoView({{block: 'center'}})")
        x, y = self.evaluate(f"(() => {{ const r = {element}.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] }})()")
        assert self.evaluate(f"{element}.contains(document.elementFromPoint({x}, {y}))"), f"{element} is covered"
        for kind in "mousePressed", "mouseReleased":
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def screenshot(self, path):
        """Writes a PNG file of the whole page."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]))
