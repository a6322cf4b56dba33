"""Speech activity of others, where they are installed: webrtcvad, and the model of silero-vad (needs torch).

Each is brought to the frames of `amd.framing`: a frame is speech if what covers its middle is.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from amd.audio import FULL_SCALE_PCM16, RATE_HZ, Samples
from amd.framing import FRAME_SAMPLES, HOP_SAMPLES, Framer
from amd.spectrum import SpectrumAnalyser
from amd.speech import SpeechTracker, facts_of
from benchmarks.peers import floor_rule

Mask = npt.NDArray[np.bool_]
Judge = Callable[[Samples], Mask]

WEBRTC_SAMPLES: Final = 80
WEBRTC_MODES: Final = range(4)
SILERO_SAMPLES: Final = 256
SILERO_MIN: Final = 0.5


def peers() -> dict[str, Judge]:
    """Return all that can be run here, by name."""
    found: dict[str, Judge] = {"tracked floors (the rule before)": floor_rule.judge}
    if has_webrtc():
        found |= {f"webrtcvad {mode}": partial(webrtc, mode) for mode in WEBRTC_MODES}
    if has_silero():
        found["silero-vad"] = silero
    return found


def has_webrtc() -> bool:
    """Whether webrtcvad is installed."""
    return importlib.util.find_spec("webrtcvad") is not None


def has_silero() -> bool:
    """Whether silero-vad and torch are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("silero_vad", "torch"))


def ours(samples: Samples) -> Mask:
    """Return the frames that `amd.speech` takes for speech, tones not known."""
    tracker = SpeechTracker()
    rows = facts_of(SpectrumAnalyser().feed(Framer().feed(samples)))
    judged = [activity.active for row in rows for activity in tracker.step(row)]
    judged += [activity.active for activity in tracker.finish()]
    return np.array(judged, dtype=np.bool_)


def webrtc(mode: int, samples: Samples) -> Mask:
    """Return the frames that webrtcvad takes for speech.

    Parameters
    ----------
    mode : int, 0 to 3
        How readily it takes a sound for none.
    samples : ndarray of float32, shape (n_samples,)
    """
    detector = importlib.import_module("webrtcvad").Vad(mode)
    pcm16 = np.clip(np.rint(samples * FULL_SCALE_PCM16), -FULL_SCALE_PCM16, FULL_SCALE_PCM16 - 1).astype("<i2")
    pieces = pcm16[: pcm16.size // WEBRTC_SAMPLES * WEBRTC_SAMPLES].reshape(-1, WEBRTC_SAMPLES)
    said = [detector.is_speech(piece.tobytes(), RATE_HZ) for piece in pieces]
    return _at_frames(said, WEBRTC_SAMPLES, samples.size)


def silero(samples: Samples) -> Mask:
    """Return the frames that silero-vad takes for speech, at its own threshold."""
    torch, model = _silero()
    model.reset_states()
    pieces = samples[: samples.size // SILERO_SAMPLES * SILERO_SAMPLES].reshape(-1, SILERO_SAMPLES)
    with torch.no_grad():
        said = [float(model(torch.from_numpy(piece.copy()), RATE_HZ)) >= SILERO_MIN for piece in pieces]
    return _at_frames(said, SILERO_SAMPLES, samples.size)


@cache
def _silero() -> tuple[Any, Any]:
    """Torch, and the model that its package brings, loaded once a process."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    spec = importlib.util.find_spec("silero_vad")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("silero-vad is not installed: pip install silero-vad")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch would have it exported; it ships as this
        return torch, torch.jit.load(str(Path(spec.origin).parent / "data" / "silero_vad.jit"))


def _at_frames(said: list[bool], piece_samples: int, n_samples: int) -> Mask:
    n_frames = max(0, (n_samples - FRAME_SAMPLES) // HOP_SAMPLES + 1)
    middles = np.arange(n_frames) * HOP_SAMPLES + FRAME_SAMPLES // 2
    return np.array(said, dtype=np.bool_)[np.minimum(middles // piece_samples, len(said) - 1)]
