"""The line of a call and what is behind it: one law for every label, so that neither tells who answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import coding
import music
import noises
import numpy as np
import signals
from channel import Line, send
from clips import Clip, ClipsError, read
from levels import RATE_HZ, FloatArray, Span, active_level_db, gain_of, unit
from scene import Scene
from scipy import signal
from timing import Kind, draw

RECORDED: Final = ("line", "music", "room")
SHORTEST_VOICE_S: Final = 1.0


@dataclass(frozen=True)
class Background:
    """What is asked for behind every call of a set, in place of what is drawn.

    Parameters
    ----------
    noises
        Names of kinds of noise, of those that the split may have; all of them unless given.
    snr_db
        Noise in the telephone band against active speech; drawn unless given.
    """

    noises: tuple[str, ...] = ()
    snr_db: float | None = None


AS_DRAWN: Final = Background()


@dataclass(frozen=True)
class Sent:
    """A call as it was sent: over which line, what came out, and where our own voice came back."""

    line: Line
    samples: FloatArray
    echo: Span | None


def codecs(kinds: Sequence[Kind], *, ffmpeg: bool) -> list[tuple[str, float]]:
    """Return the codecs to draw from; those that need ffmpeg only if they are asked for.

    Raises
    ------
    ClipsError
        If they are asked for and this machine cannot run them: leaving them out would change every call.
    """
    outside = {kind.name for kind in kinds if any(name in coding.FFMPEG for name in coding.names(kind.name))}
    missing = coding.missing_encoders() if ffmpeg else []
    if missing:
        raise ClipsError(f"--ffmpeg: no ffmpeg here that encodes {', '.join(missing)}; leave the option out")
    return [(kind.name, kind.share) for kind in kinds if ffmpeg or kind.name not in outside]


def backgrounds(
    kinds: Sequence[Kind], split: str, clip_kinds: Sequence[str], asked: Background = AS_DRAWN
) -> list[tuple[Kind, float]]:
    """Return the kinds of noise that a split may have, and has clips for, and that are asked for.

    Raises
    ------
    ClipsError
        If one is asked for that the split cannot have.
    """
    found = [
        (kind, kind.share)
        for kind in kinds
        if split in kind.splits and (kind.name not in RECORDED or f"noise {kind.name}" in clip_kinds)
    ]
    names = [kind.name for kind, _ in found]
    for name in asked.noises:
        if name not in names:
            raise ClipsError(f"noise {name!r}: the split {split} has {', '.join(names)}")
    return [(kind, share) for kind, share in found if not asked.noises or kind.name in asked.noises]


def _other_voice(scene: Scene) -> FloatArray:
    """Read a sentence of a speaker of the split who is not in the call, at unit active power."""
    there = {clip.group for clip in scene.used}
    clip = scene.clips.speaker("human sentence", scene.rng, least_s=SHORTEST_VOICE_S, most_s=8.0, without=there)[0]
    said = read(clip)
    return np.asarray(said * gain_of(-active_level_db(said)))


def _voices(scene: Scene, size: int) -> FloatArray:
    """Sum three to seven speakers, each over and over from somewhere on."""
    mixed = np.zeros(size)
    for _ in range(int(scene.rng.integers(3, 8))):
        gap = np.zeros(int(scene.rng.uniform(0.1, 0.8) * RATE_HZ))
        said = np.concatenate([_other_voice(scene), gap])
        mixed += scene.rng.uniform(0.3, 1.0) * np.resize(np.roll(said, int(scene.rng.integers(said.size))), size)
    return mixed


def _company(scene: Scene, size: int) -> FloatArray:
    """Let one or two speakers talk somewhere in the room, each with pauses of their own."""
    mixed = np.zeros(size)
    for _ in range(int(scene.rng.integers(1, 3))):
        parts, filled = [np.zeros(round(scene.draw("company_pause_s") * RATE_HZ))], 0
        while filled < size:
            parts += [_other_voice(scene), np.zeros(round(scene.draw("company_pause_s") * RATE_HZ))]
            filled = sum(part.size for part in parts)
        mixed += scene.rng.uniform(0.5, 1.0) * np.concatenate(parts)[:size]
    return _reverberate(mixed, scene.draw("room_s"), scene.draw("company_room_db"), scene.rng)


def _television(scene: Scene, size: int) -> FloatArray:
    """Alternate talk, music and applause, as through a small loudspeaker in a room."""
    rng, parts, filled = scene.rng, [], 0
    while filled < size:
        kind = draw((("talk", 0.6), ("music", 0.25), ("applause", 0.15)), rng)
        long = int(rng.uniform(1.5, 5.0) * RATE_HZ)
        if kind == "talk":
            made = unit(_other_voice(scene))
        elif kind == "music":
            made = music.tune(long, rng)
        else:
            made = noises.noise("white", long, rng) * np.hanning(long) * 0.7
        parts.append(made)
        filled += made.size
    band = signal.butter(2, [350.0, 3000.0], btype="bandpass", fs=RATE_HZ, output="sos")
    return np.asarray(signal.sosfilt(band, _reverberate(np.concatenate(parts)[:size], 0.4, -3.0, rng)))


def _recorded(clip: Clip, size: int, rng: np.random.Generator) -> FloatArray:
    """Repeat a recording to and fro, so that there is no step at the joins, from somewhere on."""
    made = read(clip)
    there_and_back = np.concatenate([made, made[::-1]])
    return np.asarray(np.resize(np.roll(there_and_back, int(rng.integers(made.size))), size))


def _behind(scene: Scene, kind: Kind, size: int) -> FloatArray:
    if kind.name in RECORDED:
        return _recorded(scene.clips.speaker(f"noise {kind.name}", scene.rng)[0], size, scene.rng)
    if kind.name == "voices":
        return _voices(scene, size)
    if kind.name == "company":
        return _company(scene, size)
    if kind.name == "television":
        return _television(scene, size)
    if kind.name == "tune":
        return music.tune(size, scene.rng)
    return noises.noise(kind.name, size, scene.rng)


def _reverberate(samples: FloatArray, die_s: float, level_db: float, rng: np.random.Generator) -> FloatArray:
    """Add the sound of a room that dies away by 60 dB in `die_s`; the direct sound stays as it is."""
    times_s = np.arange(round(die_s * RATE_HZ)) / RATE_HZ
    room = rng.standard_normal(times_s.size) * 10.0 ** (-3.0 * times_s / die_s)
    room[:24] = 0.0  # the first wall is half a metre away
    room *= gain_of(level_db) / np.sqrt((room**2).sum())
    return np.asarray(samples + signal.oaconvolve(samples, room, mode="full")[: samples.size])


def _add_strays(scene: Scene, clean: FloatArray) -> None:
    """Add a click or a rustle anywhere in the call."""
    rng = scene.rng
    made = noises.rustle(rng) if rng.random() < 0.5 else signals.click(rng)
    made = made[: clean.size] * gain_of(scene.draw("rustle_db"))
    start = int(rng.integers(clean.size - made.size + 1))
    clean[start : start + made.size] += made


def _own_voice(scene: Scene, size: int) -> tuple[FloatArray, Span]:
    """Lay one sentence of ours anywhere."""
    said = _other_voice(scene)[: round(scene.draw("own_voice_s") * RATE_HZ)][:size]
    start = int(scene.rng.integers(size - said.size + 1))
    track = np.zeros(size)
    track[start : start + said.size] = said
    return track, (start, start + said.size)


def draw_line(
    scene: Scene, codec_shares: Sequence[tuple[str, float]], kind: Kind, asked: Background = AS_DRAWN
) -> Line:
    """Draw a line; `kind` is what is behind the call."""
    rng, chance = scene.rng, scene.chance
    return Line(
        level_db=scene.draw("level_db"),
        codec=draw(codec_shares, rng),
        noise=kind.name,
        snr_db=scene.draw(kind.law) if asked.snr_db is None else asked.snr_db,
        tilt_db=scene.draw("tilt_db"),
        hum_hz=float(rng.choice([50.0, 60.0])) if chance("mains") else 0.0,
        hum_db=scene.draw("mains_db"),
        dc_offset=scene.draw("dc_offset") if chance("dc") else 0.0,
        clip_db=scene.draw("clip_db") if chance("clipped") else 0.0,
        loss=scene.draw("loss") if chance("lossy") else 0.0,
        low_hz=scene.draw("low_hz"),
        high_hz=scene.draw("high_hz"),
        agc_db=scene.draw("agc_db") if chance("agc") else 0.0,
        echo_db=scene.draw("own_voice_db"),
        dtx=("noise", "zeros")[int(rng.integers(2))] if chance("dtx") else "",
        loss_run=scene.draw("loss_run"),
        concealed=chance("concealed"),
    )


def over_a_line(scene: Scene, codec_shares: Sequence[tuple[str, float]], asked: Background = AS_DRAWN) -> Sent:
    """Send a scene over a line drawn by the law, but for what is asked for."""
    call, rng = scene.call, scene.rng
    behind = draw(backgrounds(scene.timing.noises, scene.clips.split, scene.clips.kinds(), asked), rng)
    line = draw_line(scene, codec_shares, behind, asked)
    clean = call.clean
    if scene.chance("room") and call.said:
        spoken = call.spoken
        clean += _reverberate(spoken, scene.draw("room_s"), scene.draw("room_db"), rng) - spoken
    if scene.chance("stray"):
        _add_strays(scene, clean)
    echo, own_voice = None, None
    if scene.chance("own_voice"):
        own_voice, echo = _own_voice(scene, call.size)
    background = _behind(scene, behind, call.size)
    samples = send(
        clean,
        line,
        rng,
        speech=call.speech,
        mute=call.mute,
        background=background,
        own_voice=own_voice,
    )
    return Sent(line, samples, echo)
