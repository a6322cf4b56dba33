"""Streaming answering-machine detection from the signal alone.

Feed a `Detector` the first seconds of an answered call; it says what answered while the call streams.

Examples
--------
>>> import numpy as np
>>> import amd
>>> detector = amd.Detector(encoding="mulaw")
>>> events = detector.feed(bytes([255]) * 160)  # 20 ms of mu-law silence, as a carrier sends it
>>> detector.verdict is None
True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from amd.errors import (
    AmdError,
    AudioError,
    FinishedError,
    ManifestError,
    MissingExtraError,
    ModelError,
    PolicyError,
    RecordingError,
    SlotError,
    VocabularyError,
)
from amd.events import (
    Cause,
    Contradiction,
    Deadline,
    EndedBy,
    Event,
    GreetingEnded,
    Party,
    SpeechEnded,
    SpeechStarted,
    SubState,
    ToneHeard,
    ToneKind,
    Verdict,
    Weight,
    to_dict,
)

if TYPE_CHECKING:
    from amd.audio import RATE_HZ, Encoding
    from amd.bank import DetectorBank, SlotEvent
    from amd.detector import Detector, Trace
    from amd.model import Model
    from amd.policy import PRESETS, Policy, Until, preset

__version__ = "0.1.0"

__all__ = [
    "PRESETS",
    "RATE_HZ",
    "AmdError",
    "AudioError",
    "Cause",
    "Contradiction",
    "Deadline",
    "Detector",
    "DetectorBank",
    "Encoding",
    "EndedBy",
    "Event",
    "FinishedError",
    "GreetingEnded",
    "ManifestError",
    "MissingExtraError",
    "Model",
    "ModelError",
    "Party",
    "Policy",
    "PolicyError",
    "RecordingError",
    "SlotError",
    "SlotEvent",
    "SpeechEnded",
    "SpeechStarted",
    "SubState",
    "ToneHeard",
    "ToneKind",
    "Trace",
    "Until",
    "Verdict",
    "VocabularyError",
    "Weight",
    "preset",
    "to_dict",
]

_HOME: Final = {
    "RATE_HZ": "audio",
    "Encoding": "audio",
    "Detector": "detector",
    "DetectorBank": "bank",
    "SlotEvent": "bank",
    "Trace": "detector",
    "Model": "model",
    "PRESETS": "policy",
    "Policy": "policy",
    "Until": "policy",
    "preset": "policy",
}
"""What is imported when it is asked for: it brings numba and scipy, which take a second to load."""


def __getattr__(name: str) -> Any:
    """Import what was asked for."""
    if name not in _HOME:
        raise AttributeError(f"module 'amd' has no attribute {name!r}")
    value = getattr(import_module(f"amd.{_HOME[name]}"), name)
    globals()[name] = value
    return value
