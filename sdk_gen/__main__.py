"""`python -m sdk_gen [--check]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sdk_gen.outputs import differing, write

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Write the generated files, or with --check name those that differ and return 1."""
    parser = argparse.ArgumentParser(prog="python -m sdk_gen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, name what differs")
    if parser.parse_args().check:
        stale = differing(ROOT)
        sys.stdout.writelines(f"out of date: {path} (run `make gen`)\n" for path in stale)
        return 1 if stale else 0
    sys.stdout.writelines(f"wrote {path}\n" for path in write(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
