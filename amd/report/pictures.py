"""The recording of an error: its waveform and spectrogram as a small PNG, and, if asked for, its audio."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import soundfile

from amd.audio import RATE_HZ, Samples
from amd.drawing.panels import draw_spectrogram, draw_waveform
from amd.errors import RecordingError
from amd.sources import samples_of

SIZE_IN: Final = (4.4, 2.1)
DPI: Final = 100
AFTER_S: Final = 3.0
"""So much is drawn after the verdict; what came later could not be heard by it."""
COLOURS: Final = 64
"""Enough for a spectrogram, and a third of the bytes."""

_MARKS: Final = {
    "speech_start_s": ("#007a5a", ":"),
    "greeting_end_s": ("#007a5a", "--"),
    "beep_off_s": ("#aa3377", "--"),
}
_VERDICT: Final = ("#d55e00", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A recording as ``data:`` addresses; empty where it could not be read, or was not asked for."""

    image: str
    audio: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to draw.

    Parameters
    ----------
    path : Path
    known_s : float
        When the verdict was known.
    times_s : mapping of str to float
        The truth, by column of the manifest.
    audio : bool
        Whether the recording itself is wanted too.
    """

    path: Path
    known_s: float
    times_s: Mapping[str, float]
    audio: bool


def take_picture(wanted: Wanted) -> Picture:
    """Draw one recording."""
    try:
        samples = samples_of(wanted.path)
    except RecordingError:  # it could be read when it was judged: moved since
        return Picture(image="", audio="")
    return Picture(
        image=_address("image/png", _draw(samples, wanted)),
        audio=_address("audio/flac", _flac(samples)) if wanted.audio else "",
    )


def _address(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _flac(samples: Samples) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples.clip(-1, 1), RATE_HZ, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def _draw(samples: Samples, wanted: Wanted) -> bytes:
    import matplotlib as mpl  # noqa: PLC0415 - scoring must not need it
    from matplotlib.figure import Figure  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    end_s = min(samples.size / RATE_HZ, wanted.known_s + AFTER_S)
    shown = samples[: math.ceil(end_s * RATE_HZ)]
    settings: dict[Any, Any] = {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}
    with mpl.rc_context():
        mpl.rcdefaults()
        for name, value in settings.items():
            mpl.rcParams[name] = value
        figure = Figure(figsize=SIZE_IN, dpi=DPI, layout="constrained")
        wave, spectra = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
        draw_waveform(wave, shown, (), ())
        draw_spectrogram(spectra, shown, ())
        for text in list(spectra.texts):
            text.remove()
        wave.set(ylabel="", yticks=())
        spectra.set(xlim=(0, max(end_s, 0.1)), yticks=(0, 2000, 4000), yticklabels=("0", "2", "4"), xlabel="s")
        for panel in (wave, spectra):
            for name, (colour, style) in _MARKS.items():
                if name in wanted.times_s:
                    _mark(panel, wanted.times_s[name], colour, style)
            _mark(panel, wanted.known_s, *_VERDICT)
        out = io.BytesIO()
        figure.savefig(out, format="png", metadata={"Software": None})
    small = io.BytesIO()
    Image.open(out).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(small, "png", optimize=True)
    return small.getvalue()


def _mark(panel: Any, at_s: float, colour: str, style: str) -> None:
    panel.axvline(at_s, color="white", lw=3)
    panel.axvline(at_s, color=colour, lw=1.5, ls=style)
