"""`scripts/aligners.py` as a module: the corpora of the aligners' table."""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("aligners", ROOT / "scripts" / "aligners.py")
assert spec is not None and spec.loader is not None
aligners = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = aligners  # dataclasses look for their module there
spec.loader.exec_module(aligners)
