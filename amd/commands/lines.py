"""JSON lines to stdout from a thread of its own: whoever reads them slowly must not hold up calls."""

from __future__ import annotations

import json
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

LINES_MAX: Final = 20_000
"""Lines that wait for a reader who does not keep up: some ten seconds of 3,000 calls. Then the newest are lost."""
END_MAX_S: Final = 5.0


class Lines:
    """Write lines as fast as they are read.

    Parameters
    ----------
    broken : callable
        Called, from the thread, when nobody reads any more.
    """

    def __init__(self, broken: Callable[[], object]) -> None:
        self.n_lost = 0
        self._broken = broken
        self._waiting: deque[str] = deque()
        self._more = threading.Event()
        self._ends = False
        self._thread = threading.Thread(target=self._write, name="amd-lines", daemon=True)
        self._thread.start()

    def tell(self, line: dict[str, Any]) -> None:
        """Put a line aside for the thread."""
        if len(self._waiting) >= LINES_MAX:
            self.n_lost += 1
            return
        self._waiting.append(json.dumps(line))
        self._more.set()

    def close(self) -> None:
        """Write what is left, as long as it takes within reason."""
        self._ends = True
        self._more.set()
        self._thread.join(END_MAX_S)

    def _write(self) -> None:
        while not self._ends or self._waiting:
            self._more.wait()
            self._more.clear()
            texts = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if not texts:
                continue
            try:
                sys.stdout.write("".join(f"{text}\n" for text in texts))
                sys.stdout.flush()
            except (BrokenPipeError, ValueError):
                self._broken()
                return
