"""Speech is judged alike alone and beside others, loud and quiet, however the stream is cut; and it is speech."""

import csv
from pathlib import Path

import generated as gen
import numpy as np
import pytest
import soundfile

from amd import speech
from amd.framing import Framer
from amd.hearing import Hearing
from amd.model import shipped
from amd.spectrum import SpectrumAnalyser
from amd.speech import DIGITAL_SILENCE_DB, TICK_FRAMES, References, SpeechTracker, facts_of

SAMPLES = Path(__file__).parents[1] / "datasets" / "samples"
ROWS = {row["file"]: row for row in csv.DictReader((SAMPLES / "manifest.csv").read_text().splitlines())}


def load(file):
    return soundfile.read(SAMPLES / file, dtype="float32")[0]


def rows_of(samples):
    return facts_of(SpectrumAnalyser().feed(Framer().feed(samples)))


def activities(samples):
    tracker = SpeechTracker()
    found = [activity for row in rows_of(samples) for activity in tracker.step(row)]
    return [*found, *tracker.finish()]


def test_answers_come_with_the_last_frame_of_a_tick_and_for_every_frame():
    tracker, rows = SpeechTracker(), rows_of(load("human-01.wav"))[:100]
    assert [len(tracker.step(row)) for row in rows] == ([0] * (TICK_FRAMES - 1) + [TICK_FRAMES]) * 16 + [0] * 4
    assert len(tracker.finish()) == 4
    assert tracker.finish() == ()


def test_a_tick_that_was_not_over_is_judged_by_what_was_heard():
    samples = load("machine-01.wav")
    whole = activities(samples)
    for n_frames in range(60, 72):
        cut = activities(samples[: 128 * (n_frames + 1)])
        assert len(cut) == n_frames
        assert cut[: n_frames // TICK_FRAMES * TICK_FRAMES] == whole[: n_frames // TICK_FRAMES * TICK_FRAMES]
    assert sum(activity.active for activity in cut) > 10


@pytest.mark.parametrize("n_beside", [1, 2, 3, 5])
def test_calls_are_judged_alike_to_the_last_bit_alone_and_beside_others(n_beside):
    calls = [rows_of(load(file)) for file in list(ROWS)[:15]]
    n_ticks = min(len(rows) for rows in calls) // TICK_FRAMES
    ticks = np.stack([rows[: n_ticks * TICK_FRAMES].reshape(n_ticks, TICK_FRAMES, -1) for rows in calls])
    network = speech.shipped()

    def judged(some):
        references, state, outputs = References(len(some)), network.start(len(some)), []
        for tick in range(n_ticks):
            output, state = network.step(references.step(some[:, tick]), state)
            outputs.append(output)
        return np.stack(outputs, axis=1)

    together = judged(ticks)
    for first in range(0, len(calls), n_beside):
        assert np.array_equal(judged(ticks[first : first + n_beside]), together[first : first + n_beside])


@pytest.mark.parametrize("gain_db", [-40, -25, -10])
@pytest.mark.parametrize("file", ["human-01.wav", "human-08.wav", "machine-02.wav", "machine-07.wav"])
def test_speech_does_not_depend_on_the_gain(file, gain_db):
    samples = load(file)
    loud, quiet = activities(samples), activities(samples * np.float32(10 ** (gain_db / 20)))
    differ = np.mean([one.active != other.active for one, other in zip(loud, quiet, strict=True)])
    assert differ < 0.02


def test_digital_silence_is_no_floor_and_no_speech():
    rng = np.random.default_rng(5)
    noise = gen.noise(rng, 2.0, -50.0)
    sent = activities(gen.float32(np.concatenate([noise, gen.silence(3.0), noise])))
    assert not any(activity.active for activity in sent)
    assert sent[130].floor_db < DIGITAL_SILENCE_DB
    assert sent[-1].floor_db == pytest.approx(sent[110].floor_db, abs=4)  # an edge holds a little noise


def test_nothing_but_digital_silence_is_nothing():
    assert not any(activity.active or activity.snr_db for activity in activities(np.zeros(16_000, np.float32)))


@pytest.mark.parametrize("file", [file for file in ROWS if file.startswith(("fax", "silence"))])
def test_machines_that_do_not_speak_are_not_speech(file):
    assert sum(activity.active for activity in activities(load(file))) < 15


@pytest.mark.parametrize("freqs_hz", [[440.0, 480.0], [425.0], [1000.0], [480.0, 620.0], [2100.0]])
def test_tones_are_not_speech(freqs_hz):
    rng = np.random.default_rng(6)
    sounding = [(start_s, gen.tone(freqs_hz, 1.0)) for start_s in (0.5, 3.0, 5.5)]
    samples = gen.placed(7.0, sounding) + gen.noise(rng, 7.0, -55.0)
    assert np.mean([activity.active for activity in activities(gen.float32(samples))]) < 0.05


def test_a_run_is_known_only_once_its_tick_was_heard():
    hearing = Hearing(shipped().network)
    for moment in hearing.feed(load("machine-01.wav")):
        assert moment.tick == (len(moment.judged) == TICK_FRAMES)
        assert moment.tick or (moment.started is None and moment.ended is None)
        assert all(frame.now <= moment.now for frame in moment.judged)


def test_every_frame_is_judged_once_and_in_order():
    samples = load("human-02.wav")
    hearing = Hearing(shipped().network)
    moments = [moment for piece in np.array_split(samples, 37) for moment in hearing.feed(piece)]
    judged = [frame.now for moment in (*moments, hearing.finish()) for frame in moment.judged]
    assert judged == [192 + 128 * index for index in range(hearing.n_frames)]
