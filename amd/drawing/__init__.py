"""One call as a picture: bounded work, no global state left touched, the same bytes with the same matplotlib."""

from __future__ import annotations

from amd.drawing.call import draw_call, headline

__all__ = ["draw_call", "headline"]
