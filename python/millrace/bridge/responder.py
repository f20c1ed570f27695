"""The server's side of the protocol: bytes in, bytes out, no sockets."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import wire
from .environment_batch import EnvironmentBatch
from .errors import RequestError
from .process import has_ended

MAX_ENDED_SESSIONS = 64  # remembered after their end, to say "bye" again and to refuse late duplicates
MAX_PICTURE_SIDE = 8192
MAX_PROCESS_BYTES = 511  # of a process's name


@dataclass
class Session:
    """A client's session: the last request executed and its reply, from which a repeated request is answered.

    A request whose reply is an error counts as executed, too: the client goes on with the next seq.
    """

    key: bytes
    seq: int
    reply: bytes
    process: str = ""  # the client's; "": not given
    said_bye: bool = False
    heard: float = field(default_factory=time.monotonic)

    def touch(self) -> None:
        self.heard = time.monotonic()

    def is_silent_for(self, seconds: float) -> bool:
        return time.monotonic() - self.heard > seconds


class Responder:
    """Answers requests to the environments of `batch`: exactly once, to one session at a time."""

    def __init__(self, batch: EnvironmentBatch, server: str, lease_s: float = 60.0) -> None:
        self.batch = batch
        self.server = server
        self.lease_s = lease_s
        self.n_steps = 0
        self._holder: Session | None = None
        self._ended: OrderedDict[bytes, Session] = OrderedDict()
        self._requests: dict[str, Callable[[wire.Message], wire.Message]] = {
            "reset": self._reset,
            "step": self._step,
            "render": self._render,
            "ping": self._ping,
            "bye": self._bye,
        }

    def answer(self, request: bytes) -> bytes:
        """The reply to a request of any bytes."""
        message: wire.Message = {}
        try:
            message = wire.decode(request)
            return self._dispatch(message)
        except wire.Malformed as error:
            return self._error(message, RequestError("bad-message", f"{error}; nothing was done"))
        except RequestError as error:
            return self._error(message, error)

    def _dispatch(self, message: wire.Message) -> bytes:
        version = wire.get_unsigned(message, "v")
        key = wire.get_bytes(message, "session", wire.SESSION_BYTES)
        seq = wire.get_unsigned(message, "seq")
        kind = wire.get_text(message, "type")
        if version != wire.VERSION:
            raise RequestError(
                "bad-version", f"this server speaks version {wire.VERSION}, not {version}", fatal=True
            )
        if self._holder is not None and self._holder.key == key:
            return self._go_on(self._holder, kind, seq, message)
        ended = self._ended.get(key)
        if ended is not None and (ended.said_bye or kind != "hello"):
            return self._after_end(ended, seq)
        if kind != "hello":
            raise RequestError("unknown-session", "this server does not know the session; say hello")
        return self._begin(key, seq, message, ended)

    def _begin(self, key: bytes, seq: int, message: wire.Message, lost: Session | None) -> bytes:
        """`lost` is the session itself, if its environments went to another."""
        if seq != 0:
            raise RequestError("bad-sequence", f"'hello' has seq 0, not {seq}")
        wire.get_text(message, "client")
        process = wire.get_text(message, "process") if "process" in message else ""
        if len(process.encode("utf-8", "replace")) > MAX_PROCESS_BYTES:
            raise wire.Malformed(f"'process' must be a text of at most {MAX_PROCESS_BYTES} bytes")
        self._check_free(process, lost)
        self._ended.pop(key, None)
        if self._holder is not None:
            self._end(self._holder)
        self.batch.end_episodes()
        reply = self._reply(message, "spec", self._spec())
        self._holder = Session(key, 0, reply, process)
        return reply

    def _check_free(self, process: str, lost: Session | None) -> None:
        """A new session gets the environments if the holder's process starts it or has died, or if the
        holder was silent for its lease. A session that lost them never takes them back from a newer one
        of its own process, because the two would take turns."""
        holder = self._holder
        if holder is None or holder.is_silent_for(self.lease_s):
            return
        if process and process == holder.process:
            if lost is None:
                return
            raise RequestError(
                "busy",
                "the environments went to a newer session of the same process; close that one, or use "
                "one client for all environments of a server",
            )
        if not has_ended(holder.process):
            place = ":".join(holder.process.split(":")[:2])  # host and number, for people
            whose = f" (of process {place:.80})" if place else ""
            raise RequestError(
                "busy",
                f"the environments are leased to another session{whose}; try again when it has said bye or "
                f"been silent for {self.lease_s:g} s",
            )

    def _go_on(self, session: Session, kind: str, seq: int, message: wire.Message) -> bytes:
        # A client that leaves may have a request without a reply before its bye. Its seq is skipped: if
        # the request arrives late, it is out of sequence.
        is_next = seq == session.seq + 1 or (kind == "bye" and seq > session.seq)
        if seq != session.seq and not is_next:
            raise RequestError("bad-sequence", f"seq {seq} does not follow {session.seq}")
        session.touch()
        if seq == session.seq:
            return session.reply
        session.reply = self._execute(kind, message)
        session.seq = seq
        session.touch()
        if kind == "bye":
            session.said_bye = True
            self._end(session)
        return session.reply

    def _after_end(self, session: Session, seq: int) -> bytes:
        if not session.said_bye:
            raise RequestError("unknown-session", "the environments went to another session; say hello")
        if seq == session.seq:
            return session.reply
        if seq < session.seq:
            raise RequestError("bad-sequence", f"seq {seq} is older than {session.seq}")
        raise RequestError("unknown-session", "this session has ended; begin another")

    def _end(self, session: Session) -> None:
        self._holder = None
        self.batch.end_episodes()
        if not session.said_bye:
            session.reply = b""  # never sent again, and as large as the environments
        self._ended[session.key] = session
        if len(self._ended) > MAX_ENDED_SESSIONS:
            self._ended.popitem(last=False)

    def _execute(self, kind: str, message: wire.Message) -> bytes:
        """A reply in any case: errors are remembered like other replies."""
        try:
            if kind not in self._requests:
                raise RequestError(
                    "bad-message",
                    f"'{wire.one_line(kind, 40)}' is not a request here; "
                    f"there are {', '.join(self._requests)}",
                )
            return wire.encode(self._requests[kind](message))
        except wire.Malformed as error:
            return self._error(message, RequestError("bad-message", f"{error}; nothing was done"))
        except RequestError as error:
            return self._error(message, error)

    def _reply(self, message: wire.Message, kind: str, fields: wire.Message) -> bytes:
        return wire.encode({**_head(message, kind), **fields})

    def _error(self, message: wire.Message, error: RequestError) -> bytes:
        fields = {"code": error.code, "message": wire.one_line(str(error)), "fatal": error.fatal}
        return self._reply(message, "error", fields)

    def _spec(self) -> wire.Message:
        batch = self.batch
        return {
            "name": batch.name,
            "num_envs": len(batch.envs),
            "obs_dim": batch.obs_dim,
            "act_dim": batch.act_dim,
            "obs_dtype": batch.obs_dtype,
            "act_low": wire.array_bytes(batch.act_low, "f8"),
            "act_high": wire.array_bytes(batch.act_high, "f8"),
            "max_episode_steps": batch.max_episode_steps,
            "server": self.server,
            "lease_s": int(self.lease_s) if float(self.lease_s).is_integer() else self.lease_s,
        }

    def _indices(self, message: wire.Message) -> list[int]:
        return self.batch.check_indices(wire.get_list(message, "envs"))

    def _reset(self, message: wire.Message) -> wire.Message:
        seeds = wire.get_list(message, "seeds")
        indices = self._indices(message)
        if len(seeds) != len(indices):
            raise wire.Malformed(f"'seeds' has {len(seeds)} elements, 'envs' {len(indices)}")
        for seed in seeds:
            if seed is not None and (type(seed) is not int or seed < 0):
                raise wire.Malformed("'seeds' must hold unsigned integers or nil")
        obs = self.batch.reset(indices, seeds)
        return {**_head(message, "state"), "obs": wire.array_bytes(obs, self.batch.obs_dtype)}

    def _step(self, message: wire.Message) -> wire.Message:
        indices = self._indices(message)
        actions = self._actions(message, len(indices))
        self.batch.check_actions(indices, actions)
        obs, rewards, terminated, truncated, infos = self.batch.step(indices, actions)
        self.n_steps += len(indices)
        reply = {
            **_head(message, "transition"),
            "obs": wire.array_bytes(obs, self.batch.obs_dtype),
            "reward": wire.array_bytes(rewards, "f8"),
            "terminated": terminated,
            "truncated": truncated,
        }
        if infos:
            reply["info"] = {name: wire.array_bytes(row, "f8") for name, row in infos.items()}
        return reply

    def _actions(self, message: wire.Message, n: int) -> Any:
        shape = (n, self.batch.act_dim)
        data = message.get("actions")
        n_numbers = n * self.batch.act_dim
        if not isinstance(data, bytes) or len(data) not in (4 * n_numbers, 8 * n_numbers):
            raise wire.Malformed(
                f"'actions' must be a bin of {n} x {self.batch.act_dim} numbers, f4 or f8"
            )
        return wire.get_array(message, "actions", "f4" if len(data) == 4 * n_numbers else "f8", shape)

    def _render(self, message: wire.Message) -> wire.Message:
        index = self.batch.check_index(message.get("env"))
        width = wire.get_unsigned(message, "width", 1, MAX_PICTURE_SIDE)
        height = wire.get_unsigned(message, "height", 1, MAX_PICTURE_SIDE)
        if 3 * width * height > wire.MAX_MESSAGE_BYTES - wire.MESSAGE_OVERHEAD_BYTES:
            raise wire.Malformed(f"a picture of {width} x {height} is too large for a message")
        picture = np.ascontiguousarray(self.batch.render(index, width, height))
        return {**_head(message, "frame"), "rgb": picture.tobytes()}

    def _ping(self, message: wire.Message) -> wire.Message:
        return _head(message, "pong")

    def _bye(self, message: wire.Message) -> wire.Message:
        return _head(message, "bye")


def _head(message: wire.Message, kind: str) -> wire.Message:
    """What every reply repeats."""
    return {
        "v": wire.version_of(message),
        "type": kind,
        "session": wire.session_of(message),
        "seq": wire.seq_of(message),
    }
