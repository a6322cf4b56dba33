"""``python -m amd`` is ``amd``."""

import sys

from amd.cli import main

sys.exit(main())
