"""`python -m isograd.launch`: the same as the `isograd` command."""

import sys

from isograd.launch.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
