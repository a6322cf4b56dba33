"""``python -m callback``."""

import sys

from callback.cli import main

sys.exit(main())
