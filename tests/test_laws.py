"""The laws of the design, on whole calls: one path, any cut, no look-ahead, final is final, bounded."""

import csv
import dataclasses
import io
import itertools
import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

import amd
from amd import Detector, Encoding, Party, Until, Verdict
from amd.hearing import Hearing
from amd.model import shipped

SAMPLES = Path(__file__).parents[1] / "datasets" / "samples"
ROWS = list(csv.DictReader((SAMPLES / "manifest.csv").read_text().splitlines()))
BY_FILE = {row["file"]: row for row in ROWS}
END = dataclasses.replace(amd.PRESETS["balanced"], until=Until.END)
CUT_CALLS = ("human-10.wav", "machine-06.wav", "network-02.wav", "fax-02.wav", "machine-07.wav")


def load(file):
    samples, rate_hz = soundfile.read(SAMPLES / file, dtype="float32")
    assert rate_hz == amd.RATE_HZ
    return samples


def encoded(file, encoding):
    """Bytes of the call in that encoding."""
    pcm16 = np.round(load(file) * 32767).astype(np.int16)
    if encoding in (Encoding.PCM16, Encoding.PCM16BE):
        return pcm16.astype("<i2" if encoding is Encoding.PCM16 else ">i2").tobytes()
    subtype = "ULAW" if encoding is Encoding.MULAW else "ALAW"
    out = io.BytesIO()
    soundfile.write(out, pcm16, amd.RATE_HZ, format="RAW", subtype=subtype)
    return out.getvalue()


def judge(chunks, *, policy=END, **kwargs):
    detector = Detector(policy, **kwargs)
    events = [event for chunk in chunks for event in detector.feed(chunk)]
    return [*events, *detector.finish()], detector.verdict


def cut(data, places):
    bounds = [0, *sorted(places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(bounds)]


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_any_cut_of_any_encoding_gives_equal_events(data):
    file = data.draw(st.sampled_from(CUT_CALLS))
    encoding = data.draw(st.sampled_from(list(Encoding)))
    audio = encoded(file, encoding)
    places = data.draw(st.lists(st.integers(0, len(audio)), max_size=60))
    assert judge(cut(audio, places), encoding=encoding) == judge([audio], encoding=encoding)


@pytest.mark.parametrize("size", [1, 7, 160, 161, 8000])
def test_equal_chunks_of_any_size_give_equal_events(size):
    samples = load("machine-06.wav")
    chunks = [samples[start : start + size] for start in range(0, samples.size, size)]
    assert judge(chunks) == judge([samples])


@given(st.sampled_from([16_000, 24_000, 44_100, 48_000]), st.integers(1, 5000), st.integers(0, 2**32 - 1))
@settings(max_examples=12, deadline=None)
def test_any_cut_of_any_rate_gives_equal_events(rate_hz, longest, seed):
    audio = soxr.resample(load("machine-08.wav"), amd.RATE_HZ, rate_hz)
    sizes = np.random.default_rng(seed).integers(1, longest + 1, size=audio.size)
    places = np.cumsum(sizes)
    chunks = cut(audio, places[places < audio.size].tolist())
    assert judge(chunks, rate_hz=rate_hz) == judge([audio], rate_hz=rate_hz)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_no_event_is_known_before_its_audio_was_fed(row):
    samples = load(row["file"])
    detector = Detector(END)
    fed = 0
    seen = 0
    for start in range(0, samples.size, 40):
        chunk = samples[start : start + 40]
        events = detector.feed(chunk)
        fed += chunk.size
        for event in events:
            seen += 1
            assert event.at_s <= event.known_s <= fed / amd.RATE_HZ
    for event in detector.finish():
        seen += 1
        assert event.at_s <= event.known_s <= fed / amd.RATE_HZ
    assert seen >= 1


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_no_event_of_resampled_audio_is_known_before_it_was_fed(rate_hz):
    audio = soxr.resample(load("machine-08.wav"), amd.RATE_HZ, rate_hz)
    detector = Detector(END, rate_hz=rate_hz)
    fed = 0
    for start in range(0, audio.size, 333):
        events = detector.feed(audio[start : start + 333])
        fed = min(fed + 333, audio.size)
        assert all(event.known_s <= fed / rate_hz for event in events)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_what_comes_after_an_event_was_known_cannot_change_it(row):
    samples = load(row["file"])
    whole, _ = judge([samples])
    half = samples.size // 2
    other_end = np.concatenate([samples[:half], np.zeros(samples.size - half, np.float32)])
    changed, _ = judge([other_end])
    early = [event for event in whole if event.known_s <= half / amd.RATE_HZ]
    assert [event for event in changed if event.known_s <= half / amd.RATE_HZ] == early


CLEAN = [row for row in ROWS if not row["snr_db"] or float(row["snr_db"]) >= 25]


@pytest.mark.parametrize("gain_db", [-40, -30, -20, -10])
@pytest.mark.parametrize("row", CLEAN, ids=lambda row: row["file"])
def test_gain_changes_no_party_on_clean_samples(row, gain_db):
    samples = load(row["file"])
    _, loud = judge([samples])
    _, quiet = judge([samples * np.float32(10 ** (gain_db / 20))])
    assert quiet.party is loud.party


LESS_SURE = pytest.mark.xfail(
    strict=True, reason="answer-4 is less sure of this greeting: its pause is a person's"
)


@pytest.mark.parametrize(
    ("row", "silence_s"),
    [
        pytest.param(row, silence_s, marks=LESS_SURE, id=f"{silence_s}-{row['file']}")
        if (row["file"], silence_s) in (("machine-03.wav", 0.013), ("machine-03.wav", 2.0))
        else pytest.param(row, silence_s, id=f"{silence_s}-{row['file']}")
        for row in CLEAN
        for silence_s in (0.013, 0.5, 2.0)
    ],
)
def test_a_prefix_of_silence_changes_no_party_on_clean_samples(row, silence_s):
    samples = load(row["file"])
    _, plain = judge([samples])
    _, later = judge([np.zeros(round(silence_s * amd.RATE_HZ), np.float32), samples])
    assert later.party is plain.party


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_there_is_one_final_verdict_and_it_is_never_replaced(row):
    for policy in amd.PRESETS.values():
        events, verdict = judge([load(row["file"])], policy=policy)
        final = [event for event in events if isinstance(event, Verdict) and event.final]
        assert len(final) == 1
        assert verdict.party is final[0].party
        assert verdict.known_s == final[0].known_s
        provisional = [event for event in events if isinstance(event, Verdict) and not event.final]
        assert all(event.known_s <= final[0].known_s for event in provisional)


@pytest.mark.parametrize("policy", amd.PRESETS.values(), ids=amd.PRESETS)
def test_events_come_in_the_order_in_which_they_were_known(policy):
    for row in ROWS:
        events, _ = judge([load(row["file"])], policy=policy)
        known = [event.known_s for event in events]
        assert known == sorted(known)


def test_speech_runs_alternate_and_their_ends_match_their_starts():
    for row in ROWS:
        events, _ = judge([load(row["file"])])
        runs = [event for event in events if event.type in ("speech_started", "speech_ended")]
        for started, ended in zip(runs[::2], runs[1::2], strict=False):
            assert (started.type, ended.type) == ("speech_started", "speech_ended")
            assert started.at_s == ended.on_s <= ended.at_s


def test_a_gap_is_the_same_as_silence_fed():
    samples = load("human-01.wav")
    half = samples.size // 2
    fed, gapped = Detector(END), Detector(END)
    events_fed = fed.feed(samples[:half]) + fed.feed(np.zeros(4000, np.float32)) + fed.feed(samples[half:])
    events_gap = gapped.feed(samples[:half]) + gapped.feed_gap(0.5) + gapped.feed(samples[half:])
    assert events_fed + fed.finish() == events_gap + gapped.finish()


def test_a_carrier_that_sends_nothing_still_gets_its_verdict():
    samples = load("human-01.wav")
    end = round((float(BY_FILE["human-01.wav"]["greeting_end_s"]) + 0.1) * amd.RATE_HZ)
    detector = Detector()
    detector.feed(samples[:end])
    assert detector.verdict is None
    events = [event for _ in range(100) for event in detector.feed_gap(0.02)]
    assert [event.party for event in events if isinstance(event, Verdict)] == [Party.HUMAN]


@pytest.mark.parametrize("call", ["feed", "feed_gap", "finish"])
def test_anything_after_finish_is_an_error(call):
    detector = Detector()
    detector.finish()
    argument = {"feed": (b"",), "feed_gap": (1.0,), "finish": ()}[call]
    with pytest.raises(amd.FinishedError, match=r"after finish\(\).*new Detector"):
        getattr(detector, call)(*argument)


def test_a_refused_chunk_leaves_the_call_as_it_was():
    samples = load("machine-08.wav")
    detector = Detector(END)
    events = list(detector.feed(samples[:20_000]))
    bad = samples[:100].copy()
    bad[50] = np.nan
    with pytest.raises(amd.AudioError, match="sample 50 is nan"):
        detector.feed(bad)
    events += detector.feed(samples[20_000:])
    assert ([*events, *detector.finish()], detector.verdict) == judge([samples])


@pytest.mark.parametrize(
    ("samples", "party"),
    [
        (np.zeros(0, np.float32), Party.UNSURE),
        (np.zeros(1, np.float32), Party.UNSURE),
        (np.ones(1, np.float32), Party.UNSURE),
        (np.zeros(80_000, np.float32), Party.SILENCE),
        (np.ones(80_000, np.float32), Party.SILENCE),
        (np.full(80_000, -1e-30, np.float32), Party.SILENCE),
    ],
    ids=["empty", "zero sample", "one sample", "all zero", "constant", "denormal"],
)
def test_degenerate_audio_ends_in_a_verdict(samples, party):
    _, verdict = judge([samples])
    assert verdict.party is party
    assert verdict.final


@given(st.integers(0, 2**32 - 1), st.floats(0.001, 15.0))
@settings(max_examples=20, deadline=None)
def test_any_finite_audio_ends_in_one_verdict(seed, scale):
    rng = np.random.default_rng(seed)
    kinds = [
        rng.standard_normal(24_000),
        np.sign(rng.standard_normal(24_000)),
        np.cumsum(rng.standard_normal(24_000)),
    ]
    samples = kinds[seed % 3]
    samples = (samples / np.max(np.abs(samples)) * scale).astype(np.float32)
    events, verdict = judge([samples])
    assert verdict.final
    assert 0 <= verdict.probability <= 1
    assert all(np.isfinite(event.known_s) for event in events)


def test_clipped_speech_is_still_judged():
    for file in ("human-01.wav", "machine-01.wav"):
        samples = np.clip(load(file) * 30, -1, 1)
        _, verdict = judge([samples])
        assert str(verdict.party) == BY_FILE[file]["label"]


def test_what_is_kept_of_a_call_does_not_grow_over_ten_minutes():
    samples = np.concatenate([load("machine-01.wav"), load("network-03.wav"), load("human-06.wav")])
    hearing = Hearing(shipped().network)
    n_shared = len(pickle.dumps(shipped().network))  # by all calls
    sizes = []
    n_tones = 0
    while hearing.n_samples < 600 * amd.RATE_HZ:
        n_tones += sum(len(moment.tones) for moment in hearing.feed(samples))
        sizes.append(len(pickle.dumps(hearing)) - n_shared)
    assert n_tones > 20
    assert max(sizes) < 32_768
    assert max(sizes[5:]) <= 1.1 * max(sizes[:5])


@pytest.mark.parametrize("policy", amd.PRESETS.values(), ids=amd.PRESETS)
def test_every_wait_has_a_deadline(policy):
    """Speech, ringback and noise that never end are all done by the limits of the policy."""
    rng = np.random.default_rng(1)
    times_s = np.arange(amd.RATE_HZ) / amd.RATE_HZ
    speech = load("machine-01.wav")[5000:30_000]
    ringback = 0.1 * (np.sin(2 * np.pi * 440 * times_s) + np.sin(2 * np.pi * 480 * times_s))
    limit_s = policy.greeting_max_s + policy.ringback_max_s + policy.watch_s + 2
    for piece in (speech, ringback, 0.01 * rng.standard_normal(8000), np.zeros(8000)):
        detector = Detector(policy)
        while not detector.done:
            detector.feed(piece.astype(np.float32))
            assert detector.heard_s <= limit_s
        assert detector.verdict.final


def test_a_call_that_is_done_costs_nothing_and_says_nothing():
    detector = Detector(dataclasses.replace(amd.PRESETS["balanced"], watch_s=0.0))
    samples = load("machine-01.wav")
    detector.feed(samples)
    assert detector.done
    heard_s = detector.heard_s
    assert detector.feed(samples) == ()
    assert detector.heard_s == heard_s
    assert detector.finish() == ()
    assert detector.verdict is not None
