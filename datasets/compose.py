"""Compose answered calls from speech clips of people and machines, for training and testing.

    python datasets/compose.py --clips clips.csv --split train --calls 600 --seed 1 --out FOLDER

The clips file names the clips, who speaks, and where the speech begins and ends. A call takes all its speech
from one speaker of the split. Delays, ringback tails, clicks, noise, levels and codecs follow one law for
all labels; the spectrum of the clips is changed at random, so that a corpus' sound does not tell the label.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import channel
import numpy as np
import signals
from channel import FloatArray, Line
from clips import SPLITS, Clip, Clips, read
from timeline import COLUMNS, Call, trim, write_manifest, write_wav

T = TypeVar("T")
LONGEST_S = 16.0
SHARES = {"human": 0.45, "machine": 0.43, "network": 0.06, "fax": 0.02, "silence": 0.04}
SHORT = (("name", 0.25), ("word", 0.4), ("phrase", 0.35))
HUMANS = (("hello", 0.55), ("hello_twice", 0.13), ("business", 0.23), ("late_speaker", 0.09))
# scenario, share, greeting ends with a beep (chance). Without the beep nobody could tell a short greeting
# from a person who answers for a business.
MACHINES = (
    ("personal", 0.3, 0.95),
    ("prompts", 0.27, 0.95),
    ("greeting", 0.13, 0.95),
    ("short_greeting", 0.14, 1.0),
    ("screening", 0.06, 0.0),
    ("intercept", 0.06, 0.0),
    ("mailbox_full", 0.04, 0.0),
)


def draw(pairs: Sequence[tuple[T, float]], rng: np.random.Generator) -> T:
    """Draw one of (value, share)."""
    shares = np.cumsum([share for _, share in pairs])
    return pairs[int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))][0]


class Composer:
    """One call in the making, with its speaker's clips and its own random numbers."""

    def __init__(self, clips: Clips, rng: np.random.Generator) -> None:
        self.call = Call()
        self.used: list[Clip] = []
        self._clips = clips
        self._rng = rng
        # one curve for the call: a speaker who changes colour at every join would sound like a machine
        self._freqs_hz = np.geomspace(150.0, 4000.0, 6).tolist()
        self._gains_db = rng.uniform(-6.0, 6.0, 6).tolist()

    def _pause(self, least_s: float, most_s: float) -> None:
        self.call.pause(float(self._rng.uniform(least_s, most_s)))

    def _say(self, clip: Clip) -> None:
        samples = channel.equalise(trim(read(clip)), self._freqs_hz, self._gains_db)
        ramp = np.minimum(1.0, (np.arange(samples.size) + 0.5) / 40.0)  # 5 ms, against clicks at the cuts
        samples *= ramp * ramp[::-1]
        self.call.say(samples, gain_db=float(self._rng.uniform(-2.0, 2.0)))
        self.used.append(clip)

    def _lead(self, *, late_s: float = 0.0) -> None:
        """Lay what comes before the first word; `late_s` is the longest silence of a late answer."""
        rng = self._rng
        if rng.random() < 0.12:
            name = ("ringback_us", "ringback_uk", "ringback_de")[int(rng.integers(3))]
            tail_s = min(float(rng.uniform(0.2, 2.0)), signals.CADENCES[name][1][0])
            self.call.play(signals.cadence(name, tail_s), gain_db=float(rng.uniform(-8.0, 2.0)))
            self._pause(0.0, 0.4)
        if rng.random() < 0.4:
            self.call.play(signals.click(rng), gain_db=float(rng.uniform(-12.0, 3.0)))
        if late_s:
            self.call.pause(float(rng.uniform(3.0, late_s)), digital=bool(rng.random() < 0.3))
        else:
            self._pause(0.2, 1.2)

    def human(self) -> str:
        """Lay a person's answer, and the wait after it."""
        rng = self._rng
        scenario = draw(HUMANS, rng)
        self._lead(late_s=5.0 if scenario == "late_speaker" else 0.0)
        if scenario == "business":
            count = int(rng.integers(1, 3))
            longest_s = 4.8 / count
            said = self._clips.speaker("human sentence", rng, least_s=0.8, most_s=longest_s, count=count)
            self._string(said[:count], 0.15, 0.4)
        else:
            said = self._clips.speaker(f"human {draw(SHORT, rng)}", rng, least_s=0.3, most_s=1.5)
            self._say(said[0])
            if scenario == "hello_twice":
                self._pause(0.6, 1.8)
                self._say(said[-1])
        if rng.random() < 0.1:
            self._pause(2.5, 4.0)
            self._say(said[-1])
        self._pause(4.0, 6.0)
        return scenario

    def _string(self, said: Sequence[Clip], least_s: float, most_s: float) -> None:
        for index, clip in enumerate(said):
            if index:
                self._pause(least_s, most_s)
            self._say(clip)

    def machine(self) -> str:
        """Lay a machine's greeting, its beep if it has one, and the silence after it."""
        rng, clips = self._rng, self._clips
        scenario = draw([(row, row[1]) for row in MACHINES], rng)
        name, _, beep = scenario
        self._lead(late_s=6.0 if rng.random() < 0.09 else 0.0)
        if name in ("personal", "prompts"):
            kind = "human sentence" if name == "personal" else "machine prompt"
            count = int(rng.integers(2, 5))
            said = clips.speaker(kind, rng, least_s=0.8, most_s=10.0 / count, count=count)[:count]
            if rng.random() < 0.2:
                self._first_word(name, said[0].group)
            self._string(said, 0.15, 1.0)
        elif name == "short_greeting":
            kind = "machine prompt" if rng.random() < 0.5 else "human sentence"
            self._say(clips.speaker(kind, rng, least_s=1.5, most_s=3.0)[0])
        else:
            self._say(clips.speaker(f"machine {name}", rng, least_s=1.5, most_s=12.0)[0])
        if rng.random() < beep:
            self._pause(0.0, 4.0)
            self._beep()
            self._pause(2.0, 4.0)
        else:
            self._pause(4.0, 6.0)
        return name

    def _first_word(self, name: str, group: str) -> None:
        """Lay a word of the same speaker, where there is one, and a pause that looks like a person's."""
        kinds = ("human word", "human name") if name == "personal" else ("machine prompt", "machine digit")
        words = [clip for kind in kinds for clip in self._clips.of(kind, group, 0.25, 0.9)]
        if words:
            self._say(words[int(self._rng.integers(len(words)))])
            self._pause(0.3, 1.0)

    def _beep(self) -> None:
        rng = self._rng
        freq_hz = float(350.0 * (2500.0 / 350.0) ** rng.random())
        harmonic = float(rng.uniform(0.0, 0.5)) if rng.random() < 0.5 else 0.0
        ramp_s = float(rng.uniform(0.001, 0.02))
        samples = signals.beep(freq_hz, float(rng.uniform(0.1, 1.0)), harmonic=harmonic, ramp_s=ramp_s)
        self.call.play(samples, gain_db=float(rng.uniform(-10.0, 6.0)), beep=True)

    def network(self) -> str:
        """Lay a SIT and its announcement, or a busy tone."""
        rng = self._rng
        self._lead()
        if rng.random() < 0.3:
            scenario = str(rng.choice(["busy_us", "reorder_us"]))
            self.call.play(signals.cadence(scenario, float(rng.uniform(5.0, 10.0))))
            return scenario
        category = str(rng.choice(list(signals.SIT)))
        self.call.play(signals.sit(category), gain_db=float(rng.uniform(-6.0, 6.0)))
        self._pause(0.1, 0.8)
        kind = "machine sit_intercept" if rng.random() < 0.5 else "machine intercept"
        self._say(self._clips.speaker(kind, rng)[0])
        self._pause(1.0, 3.0)
        return f"sit_{category}"

    def fax(self) -> str:
        """Lay an answering fax machine, or a calling one."""
        self._lead()
        if self._rng.random() < 0.6:
            self.call.play(signals.answer_tone(float(self._rng.uniform(2.6, 4.0))))
            self._pause(1.0, 3.0)
            return "ced"
        self.call.play(signals.cadence("cng", float(self._rng.uniform(7.0, 12.0))))
        return "cng"

    def silence(self) -> str:
        """Lay nothing."""
        self.call.pause(12.0, digital=bool(self._rng.random() < 0.2))
        return "silence"

    def send(self) -> tuple[Line, FloatArray]:
        """Cut the call to length and send it over a random line."""
        rng, call = self._rng, self.call
        call.cut(LONGEST_S)
        line, background = channel.draw_line(rng), None
        kind = draw((("made", 0.7), ("street_or_babble", 0.1), ("line", 0.17), ("music", 0.03)), rng)
        if kind == "street_or_babble":
            noise = str(rng.choice(["street", "babble"]))
            line = replace(line, noise=noise, snr_db=float(rng.uniform(5.0, 15.0)))
        elif kind != "made":
            line = replace(line, noise=f"recorded_{kind}")
            clip = read(self._clips.speaker(f"noise {kind}", rng)[0])
            background = np.resize(np.concatenate([clip, clip[::-1]]), call.size)  # no step at the joins
        sent = channel.send(call.clean, line, rng, speech=call.speech, mute=call.mute, background=background)
        return line, sent


def compose(clips: Clips, label: str, file: str, rng: np.random.Generator) -> tuple[FloatArray, dict[str, str]]:
    """Return one call and its manifest row."""
    composer = Composer(clips, rng)
    builders: dict[str, Callable[[], str]] = {
        "human": composer.human,
        "machine": composer.machine,
        "network": composer.network,
        "fax": composer.fax,
        "silence": composer.silence,
    }
    scenario = builders[label]()
    line, samples = composer.send()
    sources = sorted({clip.source for clip in composer.used})
    groups = sorted({clip.group for clip in composer.used})
    row = composer.call.row(file, label, scenario, ";".join(sources), line, "composed")
    return samples, row | {"group": ";".join(groups)}


def main() -> None:
    """Compose the calls that the command line asks for."""
    parser = argparse.ArgumentParser(description="Compose answered calls from speech clips.")
    parser.add_argument("--clips", type=Path, required=True, help="CSV; paths are relative to it")
    parser.add_argument("--split", choices=SPLITS, required=True)
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for the calls and manifest.csv")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    clips = Clips(args.clips, args.split)
    bounds = np.cumsum(list(SHARES.values()))
    places = (np.random.default_rng(args.seed).permutation(args.calls) + 0.5) / args.calls
    rows = []
    for index, place in enumerate(places):
        label = list(SHARES)[min(int(np.searchsorted(bounds, place)), len(SHARES) - 1)]
        file = f"call-{index:05d}.wav"
        rng = np.random.default_rng([args.seed, SPLITS.index(args.split), index])
        samples, row = compose(clips, label, file, rng)
        write_wav(args.out / file, samples)
        rows.append(row)
    write_manifest(args.out / "manifest.csv", rows, (*COLUMNS, "group"))
    counts = ", ".join(f"{label} {sum(row['label'] == label for row in rows)}" for label in SHARES)
    print(f"{len(rows)} calls in {args.out}: {counts}")


if __name__ == "__main__":
    main()
