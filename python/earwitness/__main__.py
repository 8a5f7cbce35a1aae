"""`python -m earwitness`: the same as the command `earwitness`."""

from __future__ import annotations

import sys

from earwitness.cli import main

sys.exit(main())
