"""The rules of Asterisk's ``AMD()`` with its defaults, from their documentation; and FreeSWITCH's, of their kind.

20 ms frames, silent when the mean absolute 16-bit level is below 256. MACHINE: 2500 ms of silence before any word;
more than two words (100 ms of voice after 50 ms of silence); 1500 ms of voice in all; a word of 5000 ms. HUMAN:
800 ms of silence after a word. NOTSURE at 5000 ms. The first frame is within a word, so a word that starts there
does not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from amd.audio import FULL_SCALE_PCM16, RATE_HZ, Samples
from amd.events import Party

FRAME_MS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Limits of a word count, in ms but for the level (of 32768) and the words; the defaults are Asterisk's.

    ``at_first`` is what silence before any word is called.
    """

    silence_level: int = 256
    initial_silence_ms: int = 2500
    greeting_ms: int = 1500
    after_greeting_silence_ms: int = 800
    total_ms: int = 5000
    word_min_ms: int = 100
    between_words_ms: int = 50
    word_max_ms: int = 5000
    words_max: int = 2
    at_first: Party = Party.MACHINE


ASTERISK: Final = Rules()
FREESWITCH: Final = Rules(
    initial_silence_ms=4500,
    greeting_ms=1250,
    after_greeting_silence_ms=1000,
    total_ms=30_000,
    words_max=6,
    at_first=Party.UNSURE,
)
"""The published defaults of SignalWire's detector, which is FreeSWITCH's: 4.5 s for the first word, 1.25 s of
voice, 6 words, 1.0 s of silence at the end. Level and length of a word are not published: here as Asterisk's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerVerdict:
    """What a peer said, and when."""

    party: Party
    cause: str
    known_s: float


def judge(samples: Samples, rules: Rules = ASTERISK) -> PeerVerdict:
    """Judge one call of 8 kHz samples."""
    frame_samples = RATE_HZ * FRAME_MS // 1000
    whole = samples[: samples.size // frame_samples * frame_samples].reshape(-1, frame_samples)
    silent_frames = np.mean(np.abs(whole), axis=1) * FULL_SCALE_PCM16 < rules.silence_level
    silence_ms = voice_ms = word_ms = words = 0
    in_word, in_greeting = True, False
    for index, silent in enumerate(silent_frames.tolist(), 1):
        now_ms = index * FRAME_MS
        if silent:
            silence_ms += FRAME_MS
            if silence_ms >= rules.between_words_ms:
                in_word, word_ms = False, 0
        else:
            word_ms += FRAME_MS
            voice_ms += FRAME_MS
            if word_ms >= rules.word_min_ms:
                words += not in_word
                in_word = in_greeting = True
                silence_ms = 0
        found = _decide(rules, in_greeting, silence_ms, voice_ms, word_ms, words)
        if found is None and now_ms >= rules.total_ms:
            found = (Party.UNSURE, "TOOLONG")
        if found is not None:
            return PeerVerdict(party=found[0], cause=found[1], known_s=now_ms / 1000)
    return PeerVerdict(party=Party.UNSURE, cause="HANGUP", known_s=samples.size / RATE_HZ)


def _decide(
    rules: Rules,
    in_greeting: bool,  # noqa: FBT001 -- the state as it stands
    silence_ms: int,
    voice_ms: int,
    word_ms: int,
    words: int,
) -> tuple[Party, str] | None:
    if not in_greeting and silence_ms >= rules.initial_silence_ms:
        return rules.at_first, "INITIALSILENCE"
    if in_greeting and silence_ms >= rules.after_greeting_silence_ms:
        return Party.HUMAN, "HUMAN"
    if word_ms >= rules.word_max_ms:
        return Party.MACHINE, "MAXWORDLENGTH"
    if words > rules.words_max:
        return Party.MACHINE, "MAXWORDS"
    if in_greeting and voice_ms >= rules.greeting_ms:
        return Party.MACHINE, "LONGGREETING"
    return None
