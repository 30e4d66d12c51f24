from __future__ import annotations

import sys
from pathlib import Path

# The examples are scripts, in no package.
sys.path.append(str(Path(__file__).parents[2] / "examples"))
