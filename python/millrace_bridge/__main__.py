"""python -m millrace_bridge: the former name of `python -m millrace.bridge`."""

import sys

from millrace.bridge.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
