from __future__ import annotations

import sys
from pathlib import Path

# The benchmark is scripts that import one another, in no package.
sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))
