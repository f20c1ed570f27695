"""Exceptions: each is an `Error`, and the built-in exception that Python programs expect as well.

The text is the library's: one line that names the thing, the place and the remedy.
"""

from __future__ import annotations


class Error(Exception):
    """Something that millrace could not do."""


class UsageError(Error, ValueError):
    """Something was asked for that does not exist or is out of range."""


class RenderModeError(UsageError, TypeError):
    """An environment was asked to draw, which none of these does.

    It is a TypeError as of an environment without the argument: Stable-Baselines3 then makes it without.
    """


class InputError(Error, ValueError):
    """A file or an array is invalid, or does not fit what it is used for."""


class FileError(Error, OSError):
    """The operating system refused a read, a write or a name."""


class NumericError(Error, ArithmeticError):
    """A number that must be finite is not."""


class OutOfMemoryError(Error, MemoryError):
    """An allocation failed."""


class ClosedError(Error, ValueError):
    """An object was used after its `close`."""


class BusyError(Error, RuntimeError):
    """Environments were used by two threads at once."""


class LibraryError(Error, ImportError):
    """The library libmillrace is missing, or is not the one that this package belongs to."""
