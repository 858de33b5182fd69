"""``python -m xspack_tool.cli``."""

import sys

from xspack_tool.cli import main

if __name__ == "__main__":
    sys.exit(main())
