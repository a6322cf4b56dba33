"""A call in the making: its speaker, what comes before the first word, and what is laid after it.

What comes before the first word follows one law for every label: the scenes of people, machines and tones all
begin with `Scene.lead`, and it does not know which of them it serves.
"""

from __future__ import annotations

from typing import Final

import music
import noises
import numpy as np
import signals
from clips import Clip, Clips, read
from levels import RATE_HZ, FloatArray, unit
from timeline import Call
from timing import Timing
from voices import COLOURS, Utterance, Voices

RAMP: Final = 40  # 5 ms, against clicks at the cuts
LATE_S: Final = 2.8


class Scene:
    """One call, with its own random numbers.

    Parameters
    ----------
    clips
        Of the split.
    timing
        The laws that everything is drawn by.
    rng
        Of this call alone.
    """

    def __init__(self, clips: Clips, timing: Timing, rng: np.random.Generator) -> None:
        self.call = Call()
        self.clips = clips
        self.timing = timing
        self.rng = rng
        self.used: list[Clip] = []
        self.leads: list[str] = []
        self.late = False
        colour_db = [self.draw("colour_db") for _ in range(COLOURS)]
        tempo = self.draw("tempo") if timing.has("tempo", clips.split) else 1.0
        self.voices = Voices(clips, colour_db, tempo, rng)

    def draw(self, law: str) -> float:
        """Draw a quantity."""
        return self.timing.draw(law, self.rng)

    def chance(self, law: str) -> bool:
        """Draw whether a thing happens."""
        return self.timing.chance(law, self.rng)

    def pause(self, law: str) -> None:
        """Lay a silence."""
        self.call.pause(self.draw(law))

    def lead(self) -> None:
        """Lay what comes before the first word."""
        if self.chance("lead_ring"):
            self.leads.append("ring")
            name, heard_s = self.timing.choose("ringback", self.rng), self.draw("ring_s")
            entered_s = float(self.rng.uniform(0.0, signals.CADENCES[name][1][0]))  # while it rings
            tail = signals.cadence(name, heard_s, skip_s=entered_s)
            self.call.play(tail, gain_db=self.draw("ring_db"), mark="ring")
            self.pause("after_ring_s")
        elif self.chance("lead_music"):
            self.leads.append("music")
            played = self.music(round(self.draw("lead_music_s") * RATE_HZ))
            self.call.play(played, gain_db=self.draw("music_db"), mark="music")
        if self.chance("pick_up_click"):
            self.leads.append("click")
            self.call.play(signals.click(self.rng), gain_db=self.draw("click_db"))
        if self.chance("pick_up_rustle"):
            self.leads.append("rustle")
            self.call.play(noises.rustle(self.rng), gain_db=self.draw("rustle_db"))
        silence_s = self.draw("first_word_s")
        self.late = silence_s >= LATE_S
        digital = self.chance("digital_silence_late" if self.late else "digital_silence")
        self.leads += ["late"] * self.late + ["digital"] * digital
        self.call.pause(silence_s, digital=digital)

    def music(self, size: int) -> FloatArray:
        """Draw recorded music, where the split has some, or made music."""
        if "noise music" in self.clips.kinds() and self.rng.random() < 0.5:
            track = read(self.clips.speaker("noise music", self.rng)[0])
            start = int(self.rng.integers(max(1, track.size - size)))
            return unit(np.resize(track[start : start + size], size))
        return music.tune(size, self.rng)

    def say(self, said: Utterance) -> None:
        """Lay what is said."""
        ramp = np.minimum(1.0, (np.arange(said.samples.size) + 0.5) / RAMP)
        self.call.say(said.samples * ramp * ramp[::-1], gain_db=self.draw("join_db"))
        self.used.append(said.clip)

    def string(self, said: list[Utterance], *, long_pauses: bool = False) -> None:
        """Lay one after the other, with pauses between them."""
        for index, one in enumerate(said):
            if index:
                self.pause("long_pause_s" if long_pauses and self.chance("long_pause") else "inner_pause_s")
            self.say(one)

    def beep(self, level: str = "beep_db") -> None:
        """Lay a record beep, at a level drawn by that law."""
        kind = self.timing.choose("beep", self.rng)
        freq_hz, long_s, rise_s = self.draw("beep_hz"), self.draw("beep_s"), self.draw("beep_rise_s")
        interval = self.draw("beep_interval")
        other_hz = freq_hz * interval if freq_hz * interval < signals.HIGHEST_HZ else freq_hz / interval
        if kind == "harmonics":
            samples = signals.rich_beep(freq_hz, long_s, self.rng.uniform(0.05, 0.6, 4).tolist(), ramp_s=rise_s)
        elif kind == "swept":
            end_hz = min(signals.HIGHEST_HZ, freq_hz * (1.0 + self.draw("beep_sweep")))
            samples = signals.swept_beep(freq_hz, end_hz, long_s, ramp_s=rise_s)
        elif kind == "two_tones":
            samples = signals.tone([freq_hz, other_hz], long_s, ramp_s=rise_s)
        elif kind == "chime":
            pair = [signals.tone([one_hz], long_s / 2.0, ramp_s=rise_s) for one_hz in (freq_hz, other_hz)]
            samples = np.concatenate(pair)
        else:
            samples = signals.tone([freq_hz], long_s, ramp_s=rise_s)
            if kind == "double":
                short = signals.tone([freq_hz], min(long_s, 0.4), ramp_s=rise_s)
                gap = np.zeros(round(self.draw("double_beep_gap_s") * RATE_HZ))
                samples = np.concatenate([short, gap, short])
        self.call.play(samples, gain_db=self.draw(level), beep=True)
