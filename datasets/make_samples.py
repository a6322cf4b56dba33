"""Make datasets/samples: short synthetic calls of every kind, with the times of what happens in them.

Needs the speech synthesizers flite, eSpeak NG and Festival (voices kal_diphone and
cmu_us_slt_arctic_hts). Same synthesizers, same bytes.

    python datasets/make_samples.py
"""

from __future__ import annotations

import math
import subprocess
import tempfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import channel
import numpy as np
import signals
import soundfile
from channel import RATE_HZ, FloatArray, Line
from scipy.signal import resample_poly
from timeline import Call, trim, write_manifest, write_wav

FOLDER = Path(__file__).parent / "samples"


class Beep(NamedTuple):
    """A record beep."""

    freq_hz: float
    duration_s: float
    harmonic: float = 0.0
    gain_db: float = 0.0


Part = str | float | Beep | FloatArray  # said, silence in s, record beep, other tone


@dataclass(frozen=True)
class Scenario:
    """One call; without `lead_s`, the delay before the first part is drawn by one law for all labels."""

    name: str
    label: str
    scenario: str
    voice: str
    parts: tuple[Part, ...]
    line: Line = field(default_factory=Line)
    lead_s: float | None = None
    digital_lead: bool = False


SLT, RMS, AWB, KAL = "flite:slt", "flite:rms", "flite:awb", "flite:kal16"
EVE, IAN = "espeak-ng:en-us+f3", "espeak-ng:en-gb+m3"
HTS, DIPHONE = "festival:cmu_us_slt_arctic_hts", "festival:kal_diphone"
SCENARIOS = (
    Scenario("human-01", "human", "hello", SLT, ("Hello?",), Line(-24, "ulaw", "pink", 32)),
    Scenario("human-02", "human", "hello", RMS, ("Hello.",), Line(-31, "gsm", "white", 25, 1.0)),
    Scenario(
        "human-03", "human", "hello_twice", AWB, ("Hello?", 1.2, "Hello?"), Line(-20, "alaw", "pink", 35, -1)
    ),
    Scenario("human-04", "human", "residence", HTS, ("Hello, Smith residence.",), Line(-27, "alaw", "white", 38)),
    Scenario(
        "human-05",
        "human",
        "business",
        EVE,
        ("Riverside dental, good morning, how can I help?",),
        Line(-22, "gsm", "pink", 28, -0.5),
    ),
    Scenario(
        "human-06",
        "human",
        "business",
        DIPHONE,
        ("Northgate tyres, hello.",),
        Line(-33, "ulaw", "white", 30, 0.5, loss=0.03),
    ),
    Scenario("human-07", "human", "residential_street", IAN, ("Yes, hello?",), Line(-23, "ulaw", "street", 15)),
    Scenario("human-08", "human", "residential_babble", RMS, ("Hi, hello?",), Line(-26, "alaw", "babble", 10)),
    Scenario("human-09", "human", "late_speaker", EVE, ("Hello?",), Line(-29, "alaw+gsm", "pink", 30), lead_s=4.2),
    Scenario(
        "human-10",
        "human",
        "ringback_tail",
        AWB,
        (signals.tone([440.0, 480.0], 2.0), 0.6, "Hello?", 3.0, "Hello?"),
        Line(-25, "ulaw", "white", 34),
        lead_s=0.0,
    ),
    Scenario(
        "human-11",
        "human",
        "hum_and_dc",
        KAL,
        ("Hello?",),
        Line(-26, "ulaw", "white", 30, hum_hz=50, hum_db=-46, dc_offset=0.008),
    ),
    Scenario("human-12", "human", "quiet_hello", SLT, ("Hello?",), Line(-42, "alaw", "pink", 20)),
    Scenario(
        "machine-01",
        "machine",
        "voicemail_beep",
        HTS,
        (
            "Hello, you have reached the voicemail of Northgate tyres. Please leave a message.",
            0.9,
            Beep(1000, 0.4),
        ),
        Line(-23, "gsm", "pink", 30, -1),
    ),
    Scenario(
        "machine-02",
        "machine",
        "voicemail_beep",
        IAN,
        ("We are not at home right now. Leave your name and number.", 0.3, Beep(440, 0.7, 0.3)),
        Line(-30, "ulaw", "street", 18, hum_hz=60, hum_db=-54),
    ),
    Scenario(
        "machine-03",
        "machine",
        "voicemail_beep",
        RMS,
        ("Hi, it's us. We can't come to the phone. Speak after the beep.", 1.5, Beep(1500, 0.2, 0.1, -4)),
        Line(-23, "alaw", "white", 36, 1.0),
    ),
    Scenario(
        "machine-04",
        "machine",
        "voicemail_no_beep",
        DIPHONE,
        ("Riverside dental is closed. Please call again tomorrow after eight.",),
        Line(-26, "alaw", "babble", 20),
    ),
    Scenario(
        "machine-05",
        "machine",
        "voicemail_no_beep",
        EVE,
        ("Hello, this is the mailbox of 5 5 5, 0 1 4 2. Leave a message.",),
        Line(-33, "ulaw", "white", 28, loss=0.03),
    ),
    Scenario(
        "machine-06",
        "machine",
        "pause_after_first_word",
        AWB,
        ("Hi.", 0.8, "You have reached our home. Please leave us a message.", 0.7, Beep(850, 0.3)),
        Line(-25, "ulaw", "pink", 32),
    ),
    Scenario(
        "machine-07",
        "machine",
        "digital_silence_first",
        SLT,
        ("Please leave your message after the tone.", 0.5, Beep(1400, 0.5)),
        Line(-22, "ulaw", "white", 35),
        lead_s=5.0,
        digital_lead=True,
    ),
    Scenario(
        "machine-08",
        "machine",
        "short_greeting",
        EVE,
        ("We are out. Please leave a message.", 0.5, Beep(620, 0.35, 0.2)),
        Line(-28, "gsm", "white", 26),
    ),
    Scenario(
        "machine-09",
        "machine",
        "quiet_two_codecs",
        AWB,
        ("This is the answering machine of number 20. We will call you back.", 1.1, Beep(1200, 0.25, 0, 3)),
        Line(-40, "alaw+gsm", "pink", 22, -0.5),
    ),
    Scenario(
        "machine-10",
        "machine",
        "carrier_announcement",
        RMS,
        ("The person you are calling is not available. Please try again later.",),
        Line(-21, "alaw", "pink", 34),
    ),
    Scenario(
        "network-01",
        "network",
        "sit_itu",
        KAL,
        (signals.sit("itu"), 0.4, "The number you have dialed is not in service."),
        Line(-22, "ulaw", "white", 36),
    ),
    Scenario(
        "network-02",
        "network",
        "sit_bell_intercept",
        EVE,
        (signals.sit("intercept"), 0.6, "We're sorry. Your call cannot be completed as dialed."),
        Line(-27, "alaw", "pink", 30),
    ),
    Scenario(
        "network-03",
        "network",
        "busy_us",
        "",
        (signals.cadence("busy_us", 5.0),),
        Line(-24, "ulaw", "white", 34),
    ),
    Scenario("fax-01", "fax", "ced", "", (signals.answer_tone(3.3), 1.5), Line(-18, "alaw", "white", 38)),
    Scenario("fax-02", "fax", "cng", "", (signals.cadence("cng", 8.0),), Line(-26, "gsm", "pink", 30)),
    Scenario("silence-01", "silence", "line_noise", "", (12.0,), Line(-26, "ulaw", "pink", 24), lead_s=0.0),
)


def synthesize(voice: str, text: str) -> FloatArray:
    """Return the text as said by `program:voice`, at 8 kHz, cut to its speech."""
    program, name = voice.split(":")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        if program == "flite":
            command = ["flite", "-voice", name, "-t", text, "-o", str(path)]
        elif program == "festival":
            command = ["text2wave", "-eval", f"(voice_{name})", "-o", str(path)]
        else:
            command = ["espeak-ng", "-v", name, "-s", "165", "-w", str(path), text]
        subprocess.run(command, check=True, capture_output=True, input=text.encode())
        samples, rate_hz = soundfile.read(path, dtype="float64")
    shared = math.gcd(rate_hz, RATE_HZ)
    return trim(np.asarray(resample_poly(samples, RATE_HZ // shared, rate_hz // shared)))


def build(scenario: Scenario, rng: np.random.Generator) -> Call:
    """Lay out one call, from the moment of answer to the end of the wait."""
    call = Call()
    drawn_s = float(rng.uniform(0.2, 1.2))
    call.pause(drawn_s if scenario.lead_s is None else scenario.lead_s, digital=scenario.digital_lead)
    for part in scenario.parts:
        if isinstance(part, str):
            call.say(synthesize(scenario.voice, part))
        elif isinstance(part, Beep):
            samples = signals.beep(part.freq_hz, part.duration_s, harmonic=part.harmonic)
            call.play(samples, gain_db=part.gain_db, beep=True)
        elif isinstance(part, np.ndarray):
            call.play(part)
        else:
            call.pause(part)
    if scenario.label == "human":
        call.pause(float(rng.uniform(4.0, 6.0)))
    elif scenario.label == "machine":
        call.pause(float(rng.uniform(2.0, 3.0) if call.beep else rng.uniform(4.0, 5.0)))
    elif scenario.label == "network":
        call.pause(1.0)
    return call


def main() -> None:
    """Write all calls and the manifest, and print a summary."""
    FOLDER.mkdir(exist_ok=True)
    rows, size_bytes = [], 0
    for scenario in SCENARIOS:
        # seeded by name, so that a new scenario changes no other file
        rng = np.random.default_rng(zlib.crc32(scenario.name.encode()))
        call = build(scenario, rng)
        samples = channel.send(call.clean, scenario.line, rng, speech=call.speech, mute=call.mute)
        path = FOLDER / f"{scenario.name}.wav"
        write_wav(path, samples)
        size_bytes += path.stat().st_size
        rows.append(
            call.row(path.name, scenario.label, scenario.scenario, scenario.voice, scenario.line, "synthetic")
        )
        peak_db = 20.0 * np.log10(np.abs(samples).max())
        length_s = samples.size / RATE_HZ
        print(f"{path.name:16} {length_s:6.2f} s  peak {peak_db:6.1f} dBFS  {scenario.scenario}")
    write_manifest(FOLDER / "manifest.csv", rows)
    print(f"{len(rows)} calls, {size_bytes / 1e6:.2f} MB in {FOLDER}")


if __name__ == "__main__":
    main()
