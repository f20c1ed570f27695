"""python -m millrace: the command `millrace`, which a wheel has in it and a checkout in its build."""

from __future__ import annotations

import os
import pathlib
import sys


def main() -> int:
    package = pathlib.Path(__file__).resolve().parent
    for command in (package / "bin/millrace", package.parents[1] / "build/release/bin/millrace"):
        if command.exists():
            os.execv(command, ["millrace", *sys.argv[1:]])
    print("millrace: there is no command here; install the wheel that scripts/wheel makes", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
