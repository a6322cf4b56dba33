"""What is true of a composed call, frame by frame: one JSON object a line, beside the manifest.

Speech is where the clean utterances are active (`activity.active`), before room, noise and line; the line adds no
delay but the handset's (under 1 ms). Speech is in frames of 10 ms from answer; all other times are to 1 ms, and
the first and last frame of an utterance are those that the times of the manifest fall into.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from activity import TICK, active, spans
from levels import RATE_HZ, Span
from lines import Sent
from timeline import Call

MARKS: Final = ("ring", "music", "tone")
TICK_S: Final = TICK / RATE_HZ


def speech_spans(call: Call) -> list[list[float]]:
    """Return where the call's speech is active, in seconds."""
    heard: list[Span] = []
    for start, samples in call.said:
        if not samples.size:
            continue
        offset = start // TICK
        for first, last in spans(active(np.pad(samples, (start % TICK, 0)))):
            if heard and offset + first <= heard[-1][1]:
                heard[-1] = (heard[-1][0], max(heard[-1][1], offset + last))
            else:
                heard.append((offset + first, offset + last))
    return [[round(first * TICK_S, 2), round(last * TICK_S, 2)] for first, last in heard]


def _seconds(span: Span) -> list[float]:
    return [round(index / RATE_HZ, 3) for index in span]


def record(call: Call, row: dict[str, str], sent: Sent) -> dict[str, Any]:
    """Return the truth of a call; `row` is its row of the manifest."""
    greeting_end = call.greeting_end(row["label"])
    marked = {name: [_seconds(span) for mark, span in call.marks if mark == name] for name in MARKS}
    return {
        "file": row["file"],
        "label": row["label"],
        "scenario": row["scenario"],
        "length_s": round(call.size / RATE_HZ, 3),
        "speech": speech_spans(call),
        "speech_level_db": round(sent.line.level_db, 2),
        "snr_db": round(sent.line.snr_db, 2),
        "greeting_end_s": None if greeting_end is None else round(greeting_end / RATE_HZ, 3),
        "beep": [_seconds(call.beep)] if call.beep else [],
        **marked,
        "digital_silence": [_seconds(span) for span in call.mute],
        "own_voice": [_seconds(sent.echo)] if sent.echo else [],
    }


def write(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for one in records:
            file.write(json.dumps(one) + "\n")
