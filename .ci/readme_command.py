"""Prints the command block of the README that follows the marker `<!-- NAME -->`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

text = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
found = re.search(rf"<!-- {re.escape(sys.argv[1])} -->\s*```sh\n(.*?)```", text, re.DOTALL)
if found is None:
    raise SystemExit(f"the README has no command block marked {sys.argv[1]}")
print(found.group(1))
