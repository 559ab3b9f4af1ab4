"""Real corpora for tests: none of them comes with the project."""

import os
from pathlib import Path

CORPORA = Path(os.environ.get("MT_CORPORA", Path(__file__).resolve().parents[1] / "data" / "corpora"))
