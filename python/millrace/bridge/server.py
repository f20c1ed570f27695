"""A server at a ZeroMQ endpoint."""

from __future__ import annotations

import math
import pathlib
import threading
from collections.abc import Sequence
from typing import Any

import zmq

from ..version import __version__
from . import binding, curve, wire
from .environment import Environment
from .environment_batch import EnvironmentBatch
from .responder import Responder

_POLL_MS = 100  # between two looks at whether to stop
_MAX_FRAMES = 16  # of a message through proxies
_QUEUE = 16  # messages a connection may have in flight; the protocol needs one


class Server:
    """Serves environments until told to stop.

    envs              one or more of the same kind
    bind              the address; "tcp://127.0.0.1:*" takes a free port (see `endpoint`)
    lease_s           how long a silent client keeps the environments from others
    insecure          allows addresses other than loopback without CURVE
    curve_secret_key  the server's secret key file: traffic is encrypted, and...
    curve_allow       ...only clients whose public keys are in this folder may connect

    Raises ValueError if options contradict each other, TypeError for spaces that can't be served and
    zmq.ZMQError if the address can't be bound.
    """

    def __init__(
        self,
        envs: Sequence[Environment],
        bind: str = wire.DEFAULT_ENDPOINT,
        *,
        name: str | None = None,
        lease_s: float = 60.0,
        insecure: bool = False,
        curve_secret_key: str | pathlib.Path | None = None,
        curve_allow: str | pathlib.Path | None = None,
        space_dtype: bool = False,
    ) -> None:
        if (curve_secret_key is None) != (curve_allow is None):
            raise ValueError("CURVE needs both: the server's secret key and a folder of clients' public keys")
        endpoint = binding.resolve(bind)
        if curve_secret_key is None and not insecure and not binding.is_local(endpoint):
            raise ValueError(
                f"{bind}: others could reach it, without a key; "
                "use CURVE, a loopback address, or insecure"
            )
        if not 0 < lease_s < math.inf:
            raise ValueError(f"the lease must be above 0 s and end some day, not {lease_s}")
        self.batch = EnvironmentBatch(envs, name, space_dtype)
        self.responder = Responder(self.batch, f"millrace.bridge {__version__}", lease_s)
        self._stop = threading.Event()
        self._authenticator: Any = None
        self._context: zmq.Context[Any] = zmq.Context()
        self._socket: zmq.Socket[bytes] = self._context.socket(zmq.ROUTER)
        try:
            if curve_secret_key is not None and curve_allow is not None:
                self._authenticator = curve.start_authenticator(self._context, curve_allow)
                curve.secure_server(self._socket, curve_secret_key)
            self._open(endpoint)
        except BaseException:
            self._close()
            raise
        bound = self._socket.getsockopt(zmq.LAST_ENDPOINT)
        assert isinstance(bound, bytes)
        self.endpoint = bound.rstrip(b"\0").decode()

    def _open(self, endpoint: str) -> None:
        socket = self._socket
        socket.setsockopt(zmq.MAXMSGSIZE, max(wire.MAX_MESSAGE_BYTES, self.batch.reply_bytes))
        socket.setsockopt(zmq.LINGER, 200)  # so that the reply to a last request still leaves
        socket.setsockopt(zmq.SNDHWM, _QUEUE)
        socket.setsockopt(zmq.RCVHWM, _QUEUE)
        socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        # A client that names its connection and connects again is answered on the new one.
        socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        binding.bind(socket, endpoint)

    def run(self) -> None:
        """Answers requests until stop() is called; then closes the environments."""
        try:
            while not self._stop.is_set():
                if self._socket.poll(_POLL_MS):
                    self._answer_one()
        finally:
            self.close()

    def stop(self) -> None:
        """Ends run() after the request that it is at. May be called from anywhere."""
        self._stop.set()

    def close(self) -> None:
        """Closes the socket and the environments; run() has done it at its end."""
        self._close()
        self.batch.close()

    def _answer_one(self) -> None:
        frames = self._socket.recv_multipart()
        # Where it came from (the connection; before it, any proxies' own), an empty delimiter, the
        # request. What is of another make can't be answered so that its sender would understand.
        if not 3 <= len(frames) <= _MAX_FRAMES or frames[-2]:
            return
        reply = self.responder.answer(frames[-1])
        try:
            self._socket.send_multipart([*frames[:-1], reply], zmq.NOBLOCK)
        except zmq.ZMQError:
            return  # the client is gone or does not read; it will ask again

    def _close(self) -> None:
        self._socket.close()
        if self._authenticator is not None:
            self._authenticator.stop()
            self._authenticator = None
        self._context.term()
