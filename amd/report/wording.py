"""Numbers as the report writes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from amd.evaluation.scores import Share

NBSP: Final = "\N{NO-BREAK SPACE}"


def percent(value: float) -> str:
    """Share as text.

    Examples
    --------
    >>> percent(0.0304).replace(NBSP, " "), percent(float("nan"))
    ('3.0 %', 'not known')
    """
    return "not known" if math.isnan(value) else f"{100 * value:.1f}{NBSP}%"


def share(value: Share) -> str:
    """Share with its counts: ``3.0 % (3 of 100)``."""
    return f"{percent(value.value)} ({value.count} of {value.total})" if value.total else "none to count"


def bounds(value: Share) -> str:
    """Interval of a share: ``1.0 to 8.5 %``."""
    return f"{100 * value.low:.1f} to {100 * value.high:.1f}{NBSP}%" if value.total else ""


def seconds(value: float) -> str:
    """Time as text: ``1.04 s``."""
    return "not known" if math.isnan(value) else f"{value:.2f}{NBSP}s"


def kind_of(origins: Sequence[str]) -> str:
    """What to call the calls, so that made ones are never taken for real ones.

    Examples
    --------
    >>> kind_of(["composed"]), kind_of(["recorded"]), kind_of(["composed", "recorded"]), kind_of(["not stated"])
    ('composed calls', 'recorded calls', 'composed and recorded calls', 'calls')
    """
    said = [origin for origin in origins if origin != "not stated"]
    return " ".join([*([" and ".join(said)] if said else []), "calls"])
