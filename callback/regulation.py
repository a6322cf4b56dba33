"""What the law asks of those who call people by machine, as data, each figure with its source.

These are presets, not legal advice: they hold what this package can keep by itself. Much of the law is about
calls that nobody asked for, and a callback was asked for; the presets apply it all the same, to be cautious.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from callback.hours import Hours

HOUR_S: Final = 3600.0


class RegulationError(ValueError):
    """A regulation that is unknown or whose figures are out of range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regulation:
    """Rules of one country.

    Parameters
    ----------
    name : str
    hours : Hours
        When people may be called, by the clock of every zone in which the number may be.
    machine_repeat_s : float, at least 0 s
        After a machine's verdict no further call to the number before so long, unless a live agent is guaranteed.
    abandoned_repeat_s : float, at least 0 s
        The same, after a call that a person answered and no agent spoke to.
    live_agent_within_s : float, above 0 s
        A person who answered must hear an agent so soon after the end of their greeting, or the call is abandoned.
    abandoned_share_max : float, 0 to 1
        At most this share of the calls that people answered may be abandoned.
    abandoned_window_s : float, above 0 s
        Over this time, and by campaign.
    ring_min_s : float, above 0 s
        Let it ring so long before giving up.
    false_machines_abandoned : bool
        A person whom the detector called a machine counts as abandoned.
    sources : tuple of str
    """

    name: str
    hours: Hours
    machine_repeat_s: float = 0.0
    abandoned_repeat_s: float = 0.0
    live_agent_within_s: float
    abandoned_share_max: float
    abandoned_window_s: float
    ring_min_s: float
    false_machines_abandoned: bool = False
    sources: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in ("machine_repeat_s", "abandoned_repeat_s"):
            _at_least(name, getattr(self, name), 0.0)
        for name in ("live_agent_within_s", "abandoned_window_s", "ring_min_s"):
            _at_least(name, getattr(self, name), math.ulp(0.0))
        if not 0 <= self.abandoned_share_max <= 1:
            raise RegulationError(f"abandoned_share_max={self.abandoned_share_max} is not 0 to 1: a percentage?")


def _at_least(name: str, value: float, low: float) -> None:
    if not (math.isfinite(value) and value >= low):
        raise RegulationError(f"{name}={value} must be finite and {'above' if low else 'at least'} 0 s")


US_TCPA: Final = Regulation(
    name="us_tcpa",
    # 47 CFR 64.1200(c)(1), 16 CFR 310.4(c): not before 8 a.m. nor after 9 p.m. at the called party's location.
    # Several states close earlier or on Sundays: give their hours as a calendar of your own.
    hours=Hours.daily("08:00-21:00"),
    # (a)(7): abandoned when no live person speaks within 2 s of the completed greeting; at most 3 % of the calls
    # answered live, by campaign and 30 days.
    live_agent_within_s=2.0,
    abandoned_share_max=0.03,
    abandoned_window_s=30 * 24 * HOUR_S,
    # (a)(6): not given up before 15 s or four rings.
    ring_min_s=15.0,
    sources=(
        "47 CFR 64.1200(a)(6), (a)(7) and (c)(1)",
        "16 CFR 310.4(b)(4) and (c)",
    ),
)

UK_OFCOM: Final = Regulation(
    name="uk_ofcom",
    # No statute gives hours. Assumption: those of the other preset.
    hours=Hours.daily("08:00-21:00"),
    # The "24 hour policy", in force since February 2011, and 72 hours after an abandoned call, since 2006; both as
    # Ofcom's open letter of May 2012 repeats them. The statement of 2016 is more general, and its annexes were not
    # read for this: keeping both waits is the cautious reading.
    machine_repeat_s=24 * HOUR_S,
    abandoned_repeat_s=72 * HOUR_S,
    live_agent_within_s=2.0,
    # The statement of 2010 had 3 % in any 24 hours as a limit; since March 2017 it is where enforcement has
    # priority, and no rate is safe.
    abandoned_share_max=0.03,
    abandoned_window_s=24 * HOUR_S,
    ring_min_s=15.0,
    false_machines_abandoned=True,
    sources=(
        "Ofcom, Tackling abandoned and silent calls, 2010: the revised statement of policy on persistent misuse",
        "Ofcom, open letter on abandoned and silent calls, May 2012",
        "Ofcom, Persistent Misuse: statement of general policy, 20 December 2016, in force since 1 March 2017",
        "Communications Act 2003, sections 128 to 131",
    ),
)

PRESETS: Final[dict[str, Regulation]] = {preset.name: preset for preset in (US_TCPA, UK_OFCOM)}


def regulation(name: str) -> Regulation:
    """Return the preset of that name.

    Raises
    ------
    RegulationError
        If there is none.
    """
    if name not in PRESETS:
        raise RegulationError(f"regulation {name!r} is unknown; there are: {', '.join(PRESETS)}")
    return PRESETS[name]


def abandoned_share(
    rules: Regulation,
    *,
    connected: int,
    abandoned: int,
    machine_verdicts: int = 0,
    false_machine_share: float = 0.0,
) -> float:
    """Return the share of the calls answered by people that were abandoned, as a regulation counts it.

    Parameters
    ----------
    rules : Regulation
    connected, abandoned : int
        Calls that people answered and an agent spoke to in time, or did not.
    machine_verdicts : int
        Calls that the detector called machines.
    false_machine_share : float, 0 to 1
        The share of those that were people, as measured on calls with known answers.

    Returns
    -------
    float
        NaN when nobody answered.

    Examples
    --------
    One person in a hundred "machines" turns 2 % into 3.9 % where that counts:

    >>> counts = {"connected": 980, "abandoned": 20, "machine_verdicts": 2000, "false_machine_share": 0.01}
    >>> [round(abandoned_share(rules, **counts), 3) for rules in (US_TCPA, UK_OFCOM)]
    [0.02, 0.039]
    """
    if min(connected, abandoned, machine_verdicts) < 0 or not 0 <= false_machine_share <= 1:
        raise RegulationError(
            f"counts {connected}, {abandoned}, {machine_verdicts} must be at least 0 and "
            f"false_machine_share={false_machine_share} from 0 to 1: a percentage?"
        )
    lost = abandoned + (machine_verdicts * false_machine_share if rules.false_machines_abandoned else 0.0)
    answered = connected + lost
    return lost / answered if answered else math.nan
