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

from amd.audio import RATE_HZ, Encoding
from amd.bank import DetectorBank, SlotEvent
from amd.detector import Detector, Trace
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
