"""Speech activity of others, where they are installed: webrtcvad, and the model of silero-vad (needs torch).

Each is brought to the frames of `amd.framing`: a frame is speech if what covers its middle is.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from amd.audio import FULL_SCALE_PCM16, RATE_HZ, Samples
from amd.framing import FRAME_SAMPLES, HOP_SAMPLES
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
    if importlib.util.find_spec("webrtcvad") is not None:
        vad = importlib.import_module("webrtcvad")
        found |= {f"webrtcvad {mode}": partial(_webrtc, vad, mode) for mode in WEBRTC_MODES}
    spec = importlib.util.find_spec("silero_vad")
    if spec is not None and spec.origin is not None and importlib.util.find_spec("torch") is not None:
        torch = importlib.import_module("torch")
        torch.set_num_threads(1)
        model = torch.jit.load(str(Path(spec.origin).parent / "data" / "silero_vad.jit"))
        found["silero-vad"] = partial(_silero, torch, model)
    return found


def _webrtc(vad: Any, mode: int, samples: Samples) -> Mask:
    detector = vad.Vad(mode)
    pcm16 = np.clip(np.rint(samples * FULL_SCALE_PCM16), -FULL_SCALE_PCM16, FULL_SCALE_PCM16 - 1).astype("<i2")
    pieces = pcm16[: pcm16.size // WEBRTC_SAMPLES * WEBRTC_SAMPLES].reshape(-1, WEBRTC_SAMPLES)
    said = [detector.is_speech(piece.tobytes(), RATE_HZ) for piece in pieces]
    return _at_frames(said, WEBRTC_SAMPLES, samples.size)


def _silero(torch: Any, model: Any, samples: Samples) -> Mask:
    model.reset_states()
    pieces = samples[: samples.size // SILERO_SAMPLES * SILERO_SAMPLES].reshape(-1, SILERO_SAMPLES)
    with torch.no_grad():
        said = [float(model(torch.from_numpy(piece.copy()), RATE_HZ)) >= SILERO_MIN for piece in pieces]
    return _at_frames(said, SILERO_SAMPLES, samples.size)


def _at_frames(said: list[bool], piece_samples: int, n_samples: int) -> Mask:
    n_frames = max(0, (n_samples - FRAME_SAMPLES) // HOP_SAMPLES + 1)
    middles = np.arange(n_frames) * HOP_SAMPLES + FRAME_SAMPLES // 2
    return np.array(said, dtype=np.bool_)[np.minimum(middles // piece_samples, len(said) - 1)]
