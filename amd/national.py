"""Busy and congestion tones of the world, as data: frequencies and cadence (ITU-T E.180 supplement 2).

Countries share tones, and some mean busy in one and congestion in another (425 Hz, 200 ms on and off: busy in
Spain, congestion in Italy). The row whose period fits best names the tone, the first of equals, so busy stands
before congestion; both say that the call reached nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from amd.events import ToneKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """One cadence: tones of ``freqs_hz``, on and off by turns for ``steps_s``, over and over.

    Parameters
    ----------
    kind : ToneKind
    countries : tuple of str
        ISO 3166 codes; for reading, not for matching.
    freqs_hz : tuple of float
        One frequency, or two that sound together.
    steps_s : tuple of float
        On, off, on, off, ... of one round.
    n_tones : int
        How many tones in a row must fit: speech and music do not keep three, and where two rows begin alike it
        takes one more.
    """

    kind: ToneKind
    countries: tuple[str, ...]
    freqs_hz: tuple[float, ...]
    steps_s: tuple[float, ...]
    n_tones: int


def _row(
    kind: ToneKind, countries: str, freqs_hz: tuple[float, ...], *steps_s: float, n_tones: int = 3
) -> Pattern:
    return Pattern(
        kind=kind,
        countries=tuple(countries.split()),
        freqs_hz=freqs_hz,
        steps_s=steps_s,
        n_tones=max(n_tones, len(steps_s) // 2 + 1),
    )


_busy = partial(_row, ToneKind.BUSY)
_reorder = partial(_row, ToneKind.REORDER)

PATTERNS: Final = (
    _busy("US CA", (480, 620), 0.5, 0.5),
    _busy("GB", (400,), 0.375, 0.375),
    _busy("DE", (425,), 0.48, 0.48),
    _busy("FR", (440,), 0.5, 0.5),
    _busy("IT NL PL", (425,), 0.5, 0.5),
    _busy("ES", (425,), 0.2, 0.2, n_tones=4),
    _busy("BR MX SE", (425,), 0.25, 0.25),
    _busy("RU", (425,), 0.35, 0.35),
    _busy("AU", (425,), 0.375, 0.375),
    _busy("CN", (450,), 0.35, 0.35),
    _busy("IN", (400,), 0.75, 0.75),
    _busy("JP", (400,), 0.5, 0.5),
    _reorder("US CA", (480, 620), 0.25, 0.25),
    _reorder("GB", (400,), 0.4, 0.35, 0.225, 0.525),
    _reorder("DE", (425,), 0.24, 0.24),
    _reorder("ES", (425,), 0.2, 0.2, 0.2, 0.2, 0.2, 0.6),
    _reorder("IT", (425,), 0.2, 0.2, n_tones=4),
    _reorder("NL", (425,), 0.25, 0.25),
    _reorder("BR", (425,), 0.25, 0.25, 0.75, 0.25),
    _reorder("SE", (425,), 0.25, 0.75),
    _reorder("RU", (425,), 0.175, 0.175),
    _reorder("CN", (450,), 0.7, 0.7),
    _row(ToneKind.FAX_CNG, "ITU-T T.30", (1100,), 0.5, 3.0, n_tones=2),
)
