"""The version of the package, which is that of the library it belongs to."""

__version__ = "0.2.0"
