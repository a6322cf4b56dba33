"""The other systems that are scored beside `amd`, by name; each a function of samples, for any process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from typing import Final

from amd.audio import Samples
from benchmarks.peers import activity, asterisk, cadence, timing
from benchmarks.peers.asterisk import PeerVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A peer.

    Parameters
    ----------
    title : str
        For tables.
    judge : callable
        Samples at 8 kHz to a `PeerVerdict`.
    needs : tuple of str
        Packages that must be installed.
    """

    title: str
    judge: Callable[[Samples], PeerVerdict]
    needs: tuple[str, ...] = ()

    @property
    def here(self) -> bool:
        """Whether it can run here."""
        tests = {"webrtcvad": activity.has_webrtc, "silero-vad": activity.has_silero}
        return all(tests[name]() for name in self.needs)


PEERS: Final = {
    "asterisk": System(title="Asterisk's rules", judge=asterisk.judge),
    "freeswitch": System(
        title="FreeSWITCH-style word count", judge=partial(asterisk.judge, rules=asterisk.FREESWITCH)
    ),
    "webrtcvad": System(
        title="webrtcvad + cadence rule", judge=partial(cadence.judge, "webrtcvad"), needs=("webrtcvad",)
    ),
    "silero-vad": System(
        title="silero-vad + cadence rule", judge=partial(cadence.judge, "silero-vad"), needs=("silero-vad",)
    ),
    "amd-speech": System(
        title="amd's speech activity + cadence rule", judge=partial(cadence.judge, "amd's speech activity")
    ),
    "timing": System(
        title="silero-vad + 15 timing features, boosted trees", judge=timing.judge, needs=("silero-vad",)
    ),
}


def chosen(text: str) -> dict[str, System]:
    """Return the peers that ``--peers`` asks for: ``all`` that are installed here, ``none``, or those named.

    Raises
    ------
    SystemExit
        If one is unknown, or named and not installed.
    """
    if text == "none":
        return {}
    if text == "all":
        return {name: peer for name, peer in PEERS.items() if peer.here}
    names = text.split(",")
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        raise SystemExit(f"--peers {unknown[0]!r} is unknown; there are: all, none, {', '.join(PEERS)}")
    for name in names:
        if not PEERS[name].here:
            raise SystemExit(f"--peers {name} needs {' and '.join(PEERS[name].needs)}: not installed here")
    return {name: PEERS[name] for name in names}


def missing(peers: dict[str, System]) -> list[str]:
    """Names of the peers that are left out since they cannot run here."""
    return [name for name, peer in PEERS.items() if name not in peers and not peer.here]


def versions(peers: dict[str, System]) -> dict[str, str]:
    """Versions of the packages that these peers use, as installed."""
    packages = sorted({need for peer in peers.values() for need in peer.needs})
    found = {}
    for package in packages:
        for distribution in (package, f"{package}-wheels"):
            try:
                found[package] = metadata.version(distribution)
            except metadata.PackageNotFoundError:
                continue
            break
    return found
