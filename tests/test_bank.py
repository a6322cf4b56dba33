"""A call in a bank gives exactly the events that it gives alone, whoever comes and goes beside it."""

import csv
import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import amd
from amd import Detector, DetectorBank, Encoding, SlotError, Until, beeps, callprogress, model
from amd.ears import Ears
from amd.measuring import N_MEASURED, PAIRS_KEPT
from amd.sit import SitTracker
from amd.tones import Ended

SAMPLES = Path(__file__).parents[1] / "datasets" / "samples"
FILES = [row["file"] for row in csv.DictReader((SAMPLES / "manifest.csv").read_text().splitlines())]
POLICIES = [
    *amd.PRESETS.values(),
    dataclasses.replace(amd.PRESETS["fast"], until=Until.END, watch_s=0.5),
    dataclasses.replace(amd.PRESETS["balanced"], early_media=True),
]


def load(file):
    return soundfile.read(SAMPLES / file, dtype="float32")[0]


def audio_of(file, encoding):
    """The call as bytes of that encoding, or as an array for None."""
    samples = load(file)
    if encoding is None:
        return samples
    pcm16 = np.round(samples * 32767).astype(np.int16)
    if encoding in (Encoding.PCM16, Encoding.PCM16BE):
        return pcm16.astype("<i2" if encoding is Encoding.PCM16 else ">i2").tobytes()
    out = io.BytesIO()
    subtype = "ULAW" if encoding is Encoding.MULAW else "ALAW"
    soundfile.write(out, pcm16, amd.RATE_HZ, format="RAW", subtype=subtype)
    return out.getvalue()


@dataclasses.dataclass(eq=False)
class Call:
    """A call to be fed: its audio, and what it has told so far."""

    audio: object
    settings: dict
    at: int = 0
    slot: int = -1
    events: list = dataclasses.field(default_factory=list)

    def next(self, size):
        chunk, self.at = self.audio[self.at : self.at + size], self.at + size
        return chunk

    @property
    def over(self):
        return self.at >= len(self.audio)

    def alone(self):
        """The same call's events, and its verdict, from a detector of its own."""
        detector = Detector(**self.settings)
        return [*detector.feed(self.audio[: self.at]), *detector.finish()], detector.verdict


def draw_call(data):
    encoding = data.draw(st.sampled_from([None, *Encoding]), "encoding")
    audio = audio_of(data.draw(st.sampled_from(FILES), "file"), encoding)
    policy = data.draw(st.sampled_from(POLICIES), "policy")
    rate_hz = data.draw(st.sampled_from([8000, 8000, 8000, 16_000]), "rate")
    return Call(audio, {"policy": policy, "encoding": encoding or "pcm16", "rate_hz": rate_hz})


@given(st.data())
@settings(max_examples=25)
def test_calls_that_come_and_go_give_the_events_that_they_give_alone(data):
    bank, calls, to_come = DetectorBank(capacity=6), [], data.draw(st.integers(1, 9), "calls")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), "seed"))
    while to_come or calls:
        if to_come and len(calls) < 6 and (not calls or rng.random() < 0.2):
            to_come -= 1
            calls.append(draw_call(data))
            calls[-1].slot = bank.open(**calls[-1].settings)
        fed = [call for call in calls if rng.random() < 0.8]
        rng.shuffle(fed)
        chunks = [call.next(int(rng.choice([0, 1, 159, 160, 1601, 4001, 9000]))) for call in fed]
        by_slot = {call.slot: call for call in fed}
        for slot, event in bank.feed([call.slot for call in fed], chunks):
            by_slot[slot].events.append(event)
        for call in [call for call in calls if call.over or rng.random() < 0.003]:
            last = bank.verdict(call.slot)
            call.events += [event for _, event in bank.close(call.slot)]
            events, verdict = call.alone()
            assert call.events == events
            assert last is None or verdict.party is last.party or not last.final
            calls.remove(call)
    assert bank.n_open == 0


def test_a_call_among_a_thousand_others_gives_the_events_that_it_gives_alone():
    bank = DetectorBank(capacity=1000)
    slots = [bank.open(encoding="mulaw", policy=POLICIES[index % len(POLICIES)]) for index in range(1000)]
    audios = [audio_of(FILES[index % len(FILES)], Encoding.MULAW)[index * 40 :] for index in range(1000)]
    events = {slot: [] for slot in slots}
    for at in range(0, 24_000, 800):
        for slot, event in bank.feed(slots, [audio[at : at + 800] for audio in audios]):
            events[slot].append(event)
    for index in range(0, 1000, 37):
        detector = Detector(POLICIES[index % len(POLICIES)], encoding="mulaw")
        assert tuple(events[slots[index]]) == detector.feed(audios[index][:24_000])


@pytest.mark.parametrize("file", FILES)
def test_tones_that_are_asked_of_together_are_answered_as_each_by_itself(file):
    ears, samples = Ears(model.shipped().network, 1), load(file)
    batch = ears.feed(samples, np.zeros(1, np.intp), np.array([samples.size]))
    nothing = Ended(
        np.zeros(0, np.intp), np.zeros((0, N_MEASURED)), np.zeros((0, PAIRS_KEPT, 2)), np.zeros(0, np.intp)
    )
    ended = batch.ended or nothing
    tones = [ended.tone(at) for at in range(ended.rows.size)]
    for row, tone in zip(beeps.measures_of(ended), tones, strict=True):
        np.testing.assert_array_equal(row, beeps.measures(tone))
    generated = [callprogress.is_generated(tone) for tone in tones]
    assert callprogress.are_generated(ended).tolist() == generated
    keys = [callprogress.is_key(tone) for tone in tones]
    sits = [SitTracker().take(tone, spoken=False) for tone in tones]
    means = callprogress.may_mean(ended, np.array(generated, dtype=np.bool_)).tolist()
    assert means == [any(may) for may in zip(generated, keys, sits, strict=True)]


def test_a_finished_call_is_not_heard_any_more():
    bank = DetectorBank(dataclasses.replace(amd.PRESETS["balanced"], watch_s=0.0), capacity=1)
    slot = bank.open()
    bank.feed([slot], [load("machine-01.wav")])
    assert bank.done(slot)
    heard = bank._ears.framer.n_samples
    assert bank.feed([slot], [load("machine-01.wav")]) == []
    assert bank._ears.framer.n_samples == heard


def test_the_network_is_not_asked_about_a_call_with_a_machine_s_final_verdict():
    bank = DetectorBank(dataclasses.replace(amd.PRESETS["balanced"], until=Until.END), capacity=2)
    slot, other = bank.open(), bank.open()
    samples = load("machine-01.wav")
    at = 0
    while bank.verdict(slot) is None or not bank.verdict(slot).final:
        bank.feed([slot, other], [samples[at : at + 768], samples[at : at + 768][:0]])
        at += 768
    heard, remembers = bank._ears._answer._state.copy(), bank._ears._speech._state.copy()
    assert not bank.done(slot)
    bank.feed([slot, other], [samples[at : at + 1536], samples[:1536]])
    assert (bank._ears._answer._state[slot] == heard[slot]).all()
    assert (bank._ears._speech._state[slot] != remembers[slot]).any()
    assert (bank._ears._answer._state[other] != heard[other]).any()


def test_a_refused_chunk_leaves_every_call_as_it_was():
    bank = DetectorBank(capacity=2)
    one, other = bank.open(), bank.open()
    samples = load("human-01.wav")
    bad = np.full(10, np.nan, np.float32)
    with pytest.raises(amd.AudioError, match="sample 0 is nan"):
        bank.feed([one, other], [samples, bad])
    events = bank.feed([one], [samples]) + bank.close(one)
    detector = Detector()
    assert [event for _, event in events] == [*detector.feed(samples), *detector.finish()]


def test_a_slot_that_is_not_open_is_refused():
    bank = DetectorBank(capacity=1)
    slot = bank.open()
    with pytest.raises(SlotError, match="all 1 slots are taken"):
        bank.open()
    with pytest.raises(SlotError, match="named twice"):
        bank.feed([slot, slot], [b"", b""])
    with pytest.raises(SlotError, match="1 slots with 0 chunks"):
        bank.feed([slot], [])
    bank.close(slot)
    for call in (lambda: bank.feed([slot], [b""]), lambda: bank.close(slot), lambda: bank.done(slot)):
        with pytest.raises(SlotError, match="slot 0 is not open"):
            call()
    assert bank.open() == slot
