"""The rules of Asterisk's ``AMD()`` with its defaults, from their documentation.

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
SILENCE_LEVEL: Final = 256
INITIAL_SILENCE_MS: Final = 2500
GREETING_MS: Final = 1500
AFTER_GREETING_SILENCE_MS: Final = 800
TOTAL_MS: Final = 5000
WORD_MIN_MS: Final = 100
BETWEEN_WORDS_MS: Final = 50
WORD_MAX_MS: Final = 5000
WORDS_MAX: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerVerdict:
    """What a peer said, and when."""

    party: Party
    cause: str
    known_s: float


def judge(samples: Samples) -> PeerVerdict:
    """Judge one call of 8 kHz samples."""
    frame_samples = RATE_HZ * FRAME_MS // 1000
    whole = samples[: samples.size // frame_samples * frame_samples].reshape(-1, frame_samples)
    silent_frames = np.mean(np.abs(whole), axis=1) * FULL_SCALE_PCM16 < SILENCE_LEVEL
    silence_ms = voice_ms = word_ms = words = 0
    in_word, in_greeting = True, False
    for index, silent in enumerate(silent_frames.tolist(), 1):
        now_ms = index * FRAME_MS
        if silent:
            silence_ms += FRAME_MS
            if silence_ms >= BETWEEN_WORDS_MS:
                in_word, word_ms = False, 0
        else:
            word_ms += FRAME_MS
            voice_ms += FRAME_MS
            if word_ms >= WORD_MIN_MS:
                words += not in_word
                in_word = in_greeting = True
                silence_ms = 0
        found = _decide(in_greeting, silence_ms, voice_ms, word_ms, words)
        if found is None and now_ms >= TOTAL_MS:
            found = (Party.UNSURE, "TOOLONG")
        if found is not None:
            return PeerVerdict(party=found[0], cause=found[1], known_s=now_ms / 1000)
    return PeerVerdict(party=Party.UNSURE, cause="HANGUP", known_s=samples.size / RATE_HZ)


def _decide(
    in_greeting: bool,  # noqa: FBT001 -- the state as it stands
    silence_ms: int,
    voice_ms: int,
    word_ms: int,
    words: int,
) -> tuple[Party, str] | None:
    if not in_greeting and silence_ms >= INITIAL_SILENCE_MS:
        return Party.MACHINE, "INITIALSILENCE"
    if in_greeting and silence_ms >= AFTER_GREETING_SILENCE_MS:
        return Party.HUMAN, "HUMAN"
    if word_ms >= WORD_MAX_MS:
        return Party.MACHINE, "MAXWORDLENGTH"
    if words > WORDS_MAX:
        return Party.MACHINE, "MAXWORDS"
    if in_greeting and voice_ms >= GREETING_MS:
        return Party.MACHINE, "LONGGREETING"
    return None
