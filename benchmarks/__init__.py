"""`python -m benchmarks` measures and writes one JSON result a scenario; see docs/benchmarks.md.

Every figure comes with what it is compared with, measured in the same run in interleaved blocks.
"""

import os

# Linear algebra reads this when numpy is first imported. One thread on every side: a scan against a
# scan, not one core against all of them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
