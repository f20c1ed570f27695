"""libmillrace: where it is, and the functions of its public headers (include/millrace) as ctypes sees them.

Nothing else of the package knows of C. A function that returns an mr_status raises the exception of
`errors` that stands for it, with the library's text. Arrays are handed on by their addresses
(`address`), without a copy; whoever calls makes sure of shape, type and order (`arrays`).

ctypes and not cffi: a call takes the same time (0.4 us), and nothing has to be compiled for each Python.
"""

from __future__ import annotations

import ctypes
import logging
import os
import pathlib
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_bool,
    c_char_p,
    c_double,
    c_int,
    c_size_t,
    c_uint,
    c_uint64,
    c_void_p,
)
from typing import Any, Callable

from . import errors
from .version import __version__

# ---- mr_status (status.h)

OK, USAGE, INPUT, IO, NUMERIC, MEMORY, STOPPED = range(7)

_EXCEPTIONS: dict[int, type[errors.Error]] = {
    USAGE: errors.UsageError,
    INPUT: errors.InputError,
    IO: errors.FileError,
    NUMERIC: errors.NumericError,
    MEMORY: errors.OutOfMemoryError,
}


def _raise_failure(status: int, function: Any = None, arguments: Any = None) -> int:
    if status in (OK, STOPPED):
        return status
    text = library.mr_error_message().decode("utf-8", "replace")
    raise _EXCEPTIONS.get(status, errors.Error)(text)


# ---- Structs. tests/test_library.py holds their layouts against the headers.


class Arena(Structure):
    """mr_env_arena."""

    _fields_ = [("feature", c_size_t * 2), ("low", c_double * 2), ("high", c_double * 2)]


class EnvSpec(Structure):
    """mr_env_spec."""

    _fields_ = [
        ("name", c_char_p),
        ("obs_dim", c_size_t),
        ("act_dim", c_size_t),
        ("act_low", POINTER(c_double)),
        ("act_high", POINTER(c_double)),
        ("max_episode_steps", c_size_t),
        ("engine", c_char_p),
        ("engine_version", c_char_p),
        ("n_info", c_size_t),
        ("info_names", POINTER(c_char_p)),
        ("info", POINTER(c_double)),
        ("obs_names", POINTER(c_char_p)),
        ("arena", POINTER(Arena)),
        ("n_notes", c_size_t),
        ("notes", POINTER(c_char_p)),
    ]


class Step(Structure):
    """mr_step."""

    _fields_ = [
        ("reward", c_double),
        ("terminated", c_bool),
        ("truncated", c_bool),
        ("diverged", c_bool),
        ("warning", c_char_p),
        ("lost", c_bool),
    ]


class EnvOptions(Structure):
    """mr_env_options; `link` stays NULL."""

    _fields_ = [("set", c_char_p), ("task", c_char_p), ("link", c_void_p)]


class EnvEntry(Structure):
    """mr_env_entry."""

    _fields_ = [("name", c_char_p), ("summary", c_char_p)]


class Widths(Structure):
    """mr_widths."""

    _fields_ = [("n", c_size_t), ("width", c_size_t * 8)]


class PolicySpec(Structure):
    """mr_policy_spec."""

    _fields_ = [
        ("env", c_char_p),
        ("env_set", c_char_p),
        ("task", c_char_p),
        ("engine", c_char_p),
        ("engine_version", c_char_p),
        ("flow", c_char_p),
        ("obs_dim", c_size_t),
        ("act_dim", c_size_t),
        ("act_low", POINTER(c_double)),
        ("act_high", POINTER(c_double)),
        ("hidden", Widths),
        ("norm", c_char_p),
        ("norm_last", c_bool),
        ("log_std_low", c_double),
        ("log_std_high", c_double),
        ("obs_mean", POINTER(c_double)),
        ("obs_std", POINTER(c_double)),
        ("deterministic", c_char_p),
    ]


class Support(Structure):
    """mr_support."""

    _fields_ = [("type", c_int), ("low", c_double), ("high", c_double)]


class DensitySpec(Structure):
    """mr_density_spec."""

    _fields_ = [
        ("flow", c_char_p),
        ("use", c_int),
        ("base", c_char_p),
        ("dim", c_size_t),
        ("given_dim", c_size_t),
        ("support", POINTER(Support)),
        ("channels", c_size_t),
        ("height", c_size_t),
        ("width", c_size_t),
    ]


class FitOptions(Structure):
    """mr_fit_options."""

    _fields_ = [
        ("lr", c_double),
        ("batch_size", c_size_t),
        ("max_epochs", c_size_t),
        ("patience", c_size_t),
        ("held_out", c_double),
        ("clip_norm", c_double),
        ("seed", c_uint64),
        ("n_threads", c_int),
        ("warm_up", c_size_t),
        ("weights", c_void_p),
        ("checkpoint", c_char_p),
        ("lr_schedule", c_char_p),
    ]


class FitProgress(Structure):
    """mr_fit_progress."""

    _fields_ = [
        ("epoch", c_size_t),
        ("train_log_prob", c_double),
        ("held_out_log_prob", c_double),
        ("best_log_prob", c_double),
        ("best_epoch", c_size_t),
    ]


class TrainSetting(Structure):
    """mr_train_setting."""

    _fields_ = [("name", c_char_p), ("value", c_char_p)]


class TrainMetric(Structure):
    """mr_train_metric."""

    _fields_ = [("name", c_char_p), ("value", c_double)]


class TrainProgress(Structure):
    """mr_train_progress."""

    _fields_ = [
        ("total_timesteps", c_size_t),
        ("time_elapsed", c_double),
        ("episodes", c_size_t),
        ("ep_rew_mean", c_double),
        ("ep_len_mean", c_double),
        ("n_updates", c_size_t),
        ("eval_mean_reward", c_double),
        ("eval_std_reward", c_double),
        ("eval_mean_ep_length", c_double),
    ]


Stepped = CFUNCTYPE(None, c_void_p, POINTER(TrainProgress))
Evaluated = CFUNCTYPE(None, c_void_p, POINTER(TrainProgress), c_bool)
Updated = CFUNCTYPE(None, c_void_p, POINTER(TrainProgress), c_size_t, POINTER(TrainMetric))


class TrainOptions(Structure):
    """mr_train_options."""

    _fields_ = [
        ("settings", POINTER(TrainSetting)),
        ("n_settings", c_size_t),
        ("envs", c_void_p),
        ("eval_envs", c_void_p),
        ("self", c_void_p),
        ("stepped", Stepped),
        ("evaluated", Evaluated),
        ("updated", Updated),
        ("stop", POINTER(c_int)),
    ]


class TrainResult(Structure):
    """mr_train_result."""

    _fields_ = [
        ("stopped", c_bool),
        ("last", TrainProgress),
        ("best_mean_reward", c_double),
        ("n_diverged", c_size_t),
    ]


ResetCallback = CFUNCTYPE(c_int, c_void_p, c_size_t, POINTER(c_uint64), c_void_p)
StepCallback = CFUNCTYPE(c_int, c_void_p, c_size_t, c_void_p, c_void_p, POINTER(Step))


class EnvCallbacks(Structure):
    """mr_env_callbacks."""

    _fields_ = [("reset", ResetCallback), ("step", StepCallback), ("close", c_void_p)]


# ---- Finding and loading it


def _candidates() -> list[str]:
    """Files to try, in this order: the one that was named, a wheel's own, that of a checkout's build, and
    whatever the system has under the name of this version."""
    package = pathlib.Path(__file__).resolve().parent
    soname = "libmillrace.so." + ".".join(__version__.split(".")[:2])
    named = os.environ.get("MILLRACE_LIBRARY")
    if named:
        return [named]
    own = [package / "lib" / soname, package.parents[1] / "build" / "release" / soname]
    return [*(str(file) for file in own if file.exists()), soname]


def _load() -> Any:
    failures = []
    for file in _candidates():
        try:
            return ctypes.CDLL(file)
        except OSError as error:
            failures.append(str(error))
    raise errors.LibraryError(
        f"libmillrace can't be loaded ({'; '.join(failures)}); install the wheel of millrace, or build the "
        "library and set MILLRACE_LIBRARY to its file"
    )


library = _load()


# ---- Functions


def _declare(name: str, result: Any, *arguments: Any) -> None:
    function = getattr(library, name, None)
    if function is None:
        raise errors.LibraryError(
            f"{library._name} has no {name}, which the Python package millrace {__version__} needs: it is of "
            "another version; build it again, or set MILLRACE_LIBRARY to the right file"
        )
    function.argtypes, function.restype = arguments, result


def _declare_failing(name: str, *arguments: Any) -> None:
    """A function that returns an mr_status."""
    _declare(name, c_int, *arguments)
    getattr(library, name).errcheck = _raise_failure


def _check_version() -> None:
    version = library.mr_version().decode()
    if version.split(".")[:2] != __version__.split(".")[:2]:
        raise errors.LibraryError(
            f"libmillrace has the version {version}, but the Python package millrace has {__version__}; "
            "install those of one version"
        )


_declare("mr_version", c_char_p)
_check_version()  # first: of another version, functions may be missing

LogFunction = CFUNCTYPE(None, c_void_p, c_int, c_char_p)

_declare("mr_error_message", c_char_p)
_declare("mr_fail", c_int, c_int, c_char_p, c_char_p)
_declare("mr_log_to", None, LogFunction, c_void_p)
_declare_failing("mr_init", c_uint)

_declare_failing("mr_policy_load", c_char_p, POINTER(c_void_p))
_declare_failing("mr_policy_load_memory", c_char_p, c_size_t, POINTER(c_void_p))
_declare("mr_policy_free", None, c_void_p)
_declare_failing("mr_policy_save", c_void_p, c_char_p, c_size_t, c_void_p)
_declare("mr_policy_get_spec", POINTER(PolicySpec), c_void_p)
_declare("mr_policy_is_stochastic", c_bool, c_void_p)
_declare_failing("mr_policy_set_deterministic", c_void_p, c_char_p)
_declare_failing("mr_policy_act", c_void_p, c_void_p, c_void_p, c_void_p)
_declare_failing("mr_policy_prepare", c_void_p, c_size_t)
_declare_failing("mr_policy_sample", c_void_p, c_size_t, c_void_p, c_void_p, c_void_p, c_void_p)
_declare_failing("mr_policy_log_prob", c_void_p, c_size_t, c_void_p, c_void_p, c_void_p)

_declare_failing("mr_env_open", c_char_p, POINTER(EnvOptions), POINTER(c_void_p))
_declare("mr_env_close", None, c_void_p)
_declare("mr_env_get_spec", POINTER(EnvSpec), c_void_p)
_declare_failing("mr_env_reset", c_void_p, POINTER(c_uint64), c_void_p)
_declare_failing("mr_env_step", c_void_p, c_void_p, c_void_p, POINTER(Step))
_declare("mr_env_info", POINTER(c_double), c_void_p)
_declare("mr_env_count", c_size_t)
_declare("mr_env_at", EnvEntry, c_size_t)

_declare_failing("mr_vec_env_open", c_char_p, POINTER(EnvOptions), c_size_t, c_int, POINTER(c_void_p))
_declare_failing(
    "mr_vec_env_new",
    POINTER(EnvCallbacks),
    c_void_p,
    POINTER(EnvSpec),
    c_size_t,
    c_int,
    POINTER(c_void_p),
)
_declare_failing("mr_vec_env_add_info", c_void_p, c_char_p)
_declare("mr_vec_env_close", None, c_void_p)
_declare("mr_vec_env_get_spec", POINTER(EnvSpec), c_void_p)
_declare("mr_vec_env_warning", c_char_p, c_void_p)
_declare_failing("mr_vec_env_infos", c_void_p, c_size_t, c_void_p)
_declare_failing("mr_vec_env_reset", c_void_p, c_size_t, POINTER(c_uint64), c_void_p)
_declare_failing("mr_vec_env_step", c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)

FitWatcher = CFUNCTYPE(None, c_void_p, POINTER(FitProgress))

_declare_failing("mr_density_create", POINTER(DensitySpec), c_uint64, POINTER(c_void_p))
_declare_failing("mr_density_load", c_char_p, POINTER(c_void_p))
_declare_failing("mr_density_load_memory", c_char_p, c_size_t, POINTER(c_void_p))
_declare("mr_density_free", None, c_void_p)
_declare_failing("mr_density_save", c_void_p, c_char_p)
_declare("mr_density_flow", c_char_p, c_void_p)
_declare("mr_density_composition", c_char_p, c_void_p)
_declare("mr_density_base", c_char_p, c_void_p)
_declare("mr_density_dim", c_size_t, c_void_p)
_declare("mr_density_given_dim", c_size_t, c_void_p)
_declare_failing("mr_density_score", c_void_p, c_int, c_size_t, c_void_p, c_void_p, POINTER(c_size_t))
_declare_failing("mr_density_sample", c_void_p, c_int, c_uint64, c_size_t, c_void_p, c_void_p)
_declare_failing("mr_density_sample_given", c_void_p, c_int, c_uint64, c_size_t, c_void_p, c_void_p, c_void_p)
_declare("mr_fit_defaults", FitOptions)
_declare_failing(
    "mr_fit",
    c_void_p,
    c_size_t,
    c_void_p,
    POINTER(FitOptions),
    FitWatcher,
    c_void_p,
    POINTER(c_int),
    POINTER(FitProgress),
)

_declare_failing("mr_train", POINTER(TrainOptions), POINTER(TrainResult))
_declare_failing("mr_train_resume", c_char_p, POINTER(TrainOptions), POINTER(TrainResult))


library.mr_init(7)  # MR_INIT_ALL: what the command does, whose bits the results shall be


def _tell(_: object, level: int, text: bytes) -> None:
    """Notes and warnings go to Python's log "millrace"."""
    logging.getLogger("millrace").log(_LEVELS[level], "%s", text.decode("utf-8", "replace"))


_LEVELS = {0: logging.INFO, 1: logging.WARNING}  # mr_log_level
_log = LogFunction(_tell)  # kept as long as the library is
library.mr_log_to(_log, None)


class Handle:
    """Something of the library's that is freed when nobody uses it any more: a call in another thread
    keeps it alive, whatever `close` does meanwhile.

    keep  what it borrows, which lives as long
    """

    __slots__ = ("_as_parameter_", "_free", "_keep")

    def __init__(
        self,
        make: Callable[..., Any],
        *arguments: Any,
        free: Callable[[c_void_p], None],
        keep: object = None,
    ) -> None:
        pointer = c_void_p()
        make(*arguments, ctypes.byref(pointer))
        self._as_parameter_ = pointer
        self._free, self._keep = free, keep

    def __del__(self) -> None:
        if hasattr(self, "_free"):  # not if making it failed
            self._free(self._as_parameter_)
