"""A file is the live path fed once: every container, rate and encoding; and every bad file says what is wrong."""

import dataclasses
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

import amd
from amd import Detector, Encoding, Party, RecordingError, SubState, Until
from amd.recordings import POOL_MIN_FILES, Failure, Reading, Result, classify, classify_many, trace

SAMPLES = Path(__file__).parents[1] / "datasets" / "samples"
FILES = tuple(sorted(path.name for path in SAMPLES.glob("*.wav")))
CALLS = {"human-01.wav": Party.HUMAN, "machine-02.wav": Party.MACHINE, "network-02.wav": Party.NETWORK}
END = Reading(policy=dataclasses.replace(amd.PRESETS["balanced"], until=Until.END))
RATE_HZ = 8000
FIELDS = [
    "file",
    "party",
    "sub_state",
    "cause",
    "probability",
    "decided_at_s",
    "known_s",
    "duration_s",
    "events",
]


def load(name, max_s=None):
    stop = None if max_s is None else round(max_s * RATE_HZ)
    samples, rate_hz = soundfile.read(SAMPLES / name, dtype="float32", stop=stop)
    assert rate_hz == RATE_HZ
    return samples


def pcm16(samples):
    return np.clip(np.round(samples * 32768), -32768, 32767).astype("<i2")


def write_raw(path, samples, subtype):
    soundfile.write(path, samples, RATE_HZ, format="RAW", subtype=subtype, endian="LITTLE")


def write_rate(path, samples, rate_hz):
    soundfile.write(path, soxr.resample(samples, RATE_HZ, rate_hz), rate_hz, subtype="FLOAT")


def write_sln16(path, samples):
    path.write_bytes(pcm16(soxr.resample(samples, RATE_HZ, 16_000)).tobytes())


LOSSLESS = {
    "WAV PCM16": ("copy.wav", lambda path, x: soundfile.write(path, pcm16(x), RATE_HZ, subtype="PCM_16")),
    "WAV PCM24": ("copy.wav", lambda path, x: soundfile.write(path, x, RATE_HZ, subtype="PCM_24")),
    "WAV float": ("copy.wav", lambda path, x: soundfile.write(path, x, RATE_HZ, subtype="FLOAT")),
    "WAV mu-law": ("copy.wav", lambda path, x: soundfile.write(path, pcm16(x), RATE_HZ, subtype="ULAW")),
    "WAV of capital suffix": ("COPY.WAV", lambda path, x: soundfile.write(path, pcm16(x), RATE_HZ, format="WAV")),
    "FLAC": ("copy.flac", lambda path, x: soundfile.write(path, pcm16(x), RATE_HZ)),
    "AIFF": ("copy.aiff", lambda path, x: soundfile.write(path, pcm16(x), RATE_HZ)),
    "stereo of equal channels": (
        "copy.wav",
        lambda path, x: soundfile.write(path, np.stack([pcm16(x), pcm16(x)], axis=1), RATE_HZ),
    ),
    "headerless .ulaw": ("copy.ulaw", lambda path, x: write_raw(path, pcm16(x), "ULAW")),
    "headerless .ULAW": ("COPY.ULAW", lambda path, x: write_raw(path, pcm16(x), "ULAW")),
    "headerless .sln": ("copy.sln", lambda path, x: path.write_bytes(pcm16(x).tobytes())),
}
LOSSY = {
    "WAV A-law": ("copy.wav", lambda path, x: soundfile.write(path, pcm16(x), RATE_HZ, subtype="ALAW")),
    "headerless .alaw": ("copy.alaw", lambda path, x: write_raw(path, pcm16(x), "ALAW")),
    "headerless .sln16": ("copy.sln16", write_sln16),
    "16 kHz": ("copy.wav", lambda path, x: write_rate(path, x, 16_000)),
    "44.1 kHz": ("copy.wav", lambda path, x: write_rate(path, x, 44_100)),
    "48 kHz": ("copy.wav", lambda path, x: write_rate(path, x, 48_000)),
}


def wav_bytes(tmp_path, samples):
    path = tmp_path / "whole.wav"
    soundfile.write(path, pcm16(samples), RATE_HZ)
    return bytearray(path.read_bytes())


def fail(path, reading=END):
    """What is said of a file that cannot be judged: it names the file first, and then gives a reason."""
    with pytest.raises(RecordingError) as raised:
        classify(path, reading)
    name, said = str(path), str(raised.value)
    assert said.startswith(f"{name}: ")
    assert len(said) > len(name) + 10
    return said.removeprefix(f"{name}: ")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_lossless_copy_of_a_call_gives_equal_events_whatever_its_container(tmp_path, call, kind):
    name, write = LOSSLESS[kind]
    write(tmp_path / name, load(call))
    copy, original = classify(tmp_path / name, END), classify(SAMPLES / call, END)
    assert copy.events == original.events
    assert copy.verdict == original.verdict
    assert copy.duration_s == original.duration_s
    assert copy.party is CALLS[call]
    assert copy.notes == ()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", LOSSY)
def test_another_encoding_or_rate_gives_the_same_party(tmp_path, call, kind):
    name, write = LOSSY[kind]
    write(tmp_path / name, load(call))
    copy = classify(tmp_path / name, END)
    assert copy.party is CALLS[call]
    assert copy.sub_state is classify(SAMPLES / call, END).sub_state
    assert copy.duration_s == pytest.approx(load(call).size / RATE_HZ, abs=0.001)


@pytest.mark.parametrize("suffix", [".bin", ".raw", "", ".wav"])
@pytest.mark.parametrize("encoding", list(Encoding))
def test_a_stated_encoding_is_taken_whatever_the_name_says(tmp_path, suffix, encoding):
    samples, path = load("machine-02.wav"), tmp_path / f"call{suffix}"
    if encoding in (Encoding.MULAW, Encoding.ALAW):
        write_raw(path, pcm16(samples), "ULAW" if encoding is Encoding.MULAW else "ALAW")
    else:
        path.write_bytes(pcm16(samples).astype("<i2" if encoding is Encoding.PCM16 else ">i2").tobytes())
    result = classify(path, dataclasses.replace(END, encoding=encoding))
    if encoding is Encoding.ALAW:
        assert (result.party, result.sub_state) == (Party.MACHINE, SubState.ENDED_BEEP)
    else:
        assert result.events == classify(SAMPLES / "machine-02.wav", END).events


def test_the_stated_rate_of_a_headerless_file_sets_its_length_and_its_verdict(tmp_path):
    path = tmp_path / "call.bin"
    write_sln16(path, load("machine-02.wav"))
    right = classify(path, dataclasses.replace(END, encoding=Encoding.PCM16, rate_hz=16_000))
    slow = classify(path, dataclasses.replace(END, encoding=Encoding.PCM16, rate_hz=8_000))
    assert right.sub_state is SubState.ENDED_BEEP
    assert right.duration_s == pytest.approx(7.0, abs=0.01)
    assert slow.duration_s == pytest.approx(2 * right.duration_s)
    assert slow.events != right.events


@pytest.mark.parametrize("file", FILES)
def test_a_recording_is_the_detector_fed_once_with_the_same_samples(file):
    detector = Detector(END.policy)
    events = [*detector.feed(load(file)), *detector.finish()]
    result = classify(SAMPLES / file, END)
    assert result.events == tuple(events)
    assert result.verdict == detector.verdict
    assert (result.party, result.sub_state, result.cause) == (
        detector.verdict.party,
        detector.verdict.sub_state,
        detector.verdict.cause,
    )
    assert (result.decided_at_s, result.known_s) == (detector.verdict.at_s, detector.verdict.known_s)


@pytest.mark.parametrize("rate_hz", [11_025, 44_100])
def test_a_recording_of_another_rate_is_the_detector_fed_once_at_that_rate(tmp_path, rate_hz):
    path = tmp_path / "call.wav"
    write_rate(path, load("machine-08.wav"), rate_hz)
    samples, _ = soundfile.read(path, dtype="float32")
    detector = Detector(END.policy, rate_hz=rate_hz)
    assert classify(path, END).events == (*detector.feed(samples), *detector.finish())


@pytest.mark.parametrize("file", FILES)
def test_a_whole_file_gives_no_note(file):
    assert classify(SAMPLES / file).notes == ()


@pytest.mark.parametrize("call", ["human-01.wav", "machine-02.wav"])
def test_the_trace_of_a_recording_has_its_samples_and_its_verdict(call):
    result, samples, traces = trace(SAMPLES / call)
    assert result == classify(SAMPLES / call, END)
    heard = samples.size
    assert np.array_equal(samples, load(call)[:heard])
    assert heard / RATE_HZ >= result.known_s
    assert traces[-1].at_s == pytest.approx(heard / RATE_HZ, abs=1.1)
    assert {type(step) for step in traces} == {amd.Trace}


@pytest.fixture
def two_sides(tmp_path):
    """A person on the left, a voicemail on the right."""
    left, right = load("human-01.wav"), load("machine-04.wav")
    both = np.zeros((max(left.size, right.size), 2), dtype=np.float32)
    both[: left.size, 0], both[: right.size, 1] = left, right
    path = tmp_path / "both.wav"
    soundfile.write(path, both, RATE_HZ, subtype="FLOAT")
    return path


def test_a_channel_is_judged_by_itself(two_sides):
    left = classify(two_sides, dataclasses.replace(END, channel=0))
    right = classify(two_sides, dataclasses.replace(END, channel=1))
    assert (left.party, right.party) == (Party.HUMAN, Party.MACHINE)
    assert left.notes == right.notes == ()
    assert right.events == classify(SAMPLES / "machine-04.wav", END).events


def test_channels_that_differ_are_mixed_down_with_a_note(two_sides):
    result = classify(two_sides, END)
    (note,) = result.notes
    assert "channels differ" in note
    both, _ = soundfile.read(two_sides, dtype="float32")
    detector = Detector(END.policy)
    assert result.events == (*detector.feed(both.mean(axis=1, dtype=np.float32)), *detector.finish())


def test_a_silent_second_channel_is_told_and_does_not_hide_the_call(tmp_path):
    samples = load("machine-02.wav")
    path = tmp_path / "call.wav"
    soundfile.write(path, np.stack([np.zeros_like(samples), samples], axis=1), RATE_HZ, subtype="FLOAT")
    result = classify(path)
    assert result.party is Party.MACHINE
    assert len(result.notes) == 1


def test_channels_that_are_almost_equal_give_no_note(tmp_path):
    samples = load("human-01.wav")
    path = tmp_path / "call.wav"
    soundfile.write(path, np.stack([samples, 0.9 * samples], axis=1), RATE_HZ, subtype="FLOAT")
    assert classify(path).notes == ()


@pytest.mark.parametrize("channel", [2, 99, -1])
def test_a_channel_that_is_not_there_is_an_error(two_sides, channel):
    said = fail(two_sides, dataclasses.replace(END, channel=channel))
    assert f"channel {channel}" in said
    assert "has 2" in said


@pytest.mark.parametrize("reading", [Reading(), END], ids=["until verdict", "until end"])
def test_ten_minutes_of_greeting_end_with_a_verdict(tmp_path, reading):
    greeting = load("machine-04.wav")[round(0.698 * RATE_HZ) : round(5.158 * RATE_HZ)]
    path = tmp_path / "long.wav"
    soundfile.write(path, np.resize(greeting, 600 * RATE_HZ), RATE_HZ, subtype="ULAW")
    result = classify(path, reading)
    assert result.party is Party.MACHINE
    assert result.duration_s == 600.0
    assert result.known_s < 10.0
    ended = [event for event in result.events if event.type == "greeting_ended"]
    assert len(ended) == (1 if reading is END else 0)
    if ended:
        assert ended[0].at_s == pytest.approx(END.policy.greeting_max_s, abs=0.2)


def test_ten_minutes_of_nothing_end_with_a_verdict(tmp_path):
    path = tmp_path / "long.ulaw"
    path.write_bytes(b"\xff" * 600 * RATE_HZ)
    result = classify(path)
    assert (result.party, result.duration_s) == (Party.SILENCE, 600.0)
    assert result.known_s == pytest.approx(10.0, abs=0.2)


@pytest.mark.parametrize("n_samples", [0, 1, 159])
@pytest.mark.parametrize("suffix", [".wav", ".aiff", ".ulaw"])
def test_a_file_too_short_to_hear_is_unsure_for_want_of_audio(tmp_path, n_samples, suffix):
    path = tmp_path / f"short{suffix}"
    samples = load("human-01.wav")[:n_samples]
    if suffix == ".ulaw":
        write_raw(path, samples, "ULAW")
    else:
        soundfile.write(path, samples, RATE_HZ)
    result = classify(path)
    assert result.party is Party.UNSURE
    assert result.cause is amd.Cause.NO_AUDIO
    assert result.duration_s == n_samples / RATE_HZ


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_an_error(tmp_path, value):
    samples = load("human-01.wav")
    samples[1000] = value
    path = tmp_path / "call.wav"
    soundfile.write(path, samples, RATE_HZ, subtype="FLOAT")
    said = fail(path)
    assert "1000" in said
    assert "finite" in said


@pytest.mark.parametrize("factor", [32768.0, 1e30])
def test_values_far_beyond_full_scale_are_an_error(tmp_path, factor):
    path = tmp_path / "call.wav"
    soundfile.write(path, load("human-01.wav") * np.float32(factor), RATE_HZ, subtype="FLOAT")
    assert "full scale" in fail(path)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not a call, but a text\n" * 50, bytes(5000)])
def test_what_is_not_audio_is_an_error(tmp_path, content):
    path = tmp_path / "call.wav"
    path.write_bytes(content)
    assert "not audio" in fail(path)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".txt", "", ".ulaw", ".raw"])
def test_a_missing_file_is_told_as_missing(tmp_path, suffix):
    assert "no such file" in fail(tmp_path / f"nothing{suffix}")


@pytest.mark.parametrize("name", ["calls", "calls.wav", "calls.ulaw"])
def test_a_folder_is_told_as_a_folder(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    assert "is a folder" in fail(folder)


@pytest.mark.parametrize("name", ["call.raw", "call.bin", "call"])
def test_a_headerless_file_of_unknown_name_asks_for_its_encoding(tmp_path, name):
    path = tmp_path / name
    write_raw(path, load("human-01.wav"), "ULAW")
    assert "encoding" in fail(path)


def test_a_file_of_a_link_that_leads_nowhere_is_an_error(tmp_path):
    path = tmp_path / "call.wav"
    path.symlink_to(tmp_path / "nothing.wav")
    fail(path)


@pytest.mark.parametrize("rate_hz", [1000, 3999, 192_001])
def test_a_rate_that_no_telephone_has_is_an_error(tmp_path, rate_hz):
    path = tmp_path / "call.wav"
    soundfile.write(path, load("human-01.wav", max_s=0.5), rate_hz)
    assert str(rate_hz) in fail(path)


@pytest.mark.parametrize("rate_hz", [0, -8000, 100])
def test_a_stated_rate_that_no_telephone_has_is_an_error(tmp_path, rate_hz):
    path = tmp_path / "call.bin"
    path.write_bytes(b"\xff" * 8000)
    assert str(rate_hz) in fail(path, Reading(encoding=Encoding.MULAW, rate_hz=rate_hz))


@pytest.mark.parametrize("kept_s", [2.5, 0.5])
def test_a_wav_cut_short_of_its_header_is_judged_by_what_is_there_with_a_note(tmp_path, kept_s):
    path = tmp_path / "cut.wav"
    header_bytes = len(wav_bytes(tmp_path, load("human-01.wav"))) - 2 * load("human-01.wav").size
    path.write_bytes(wav_bytes(tmp_path, load("human-01.wav"))[: header_bytes + round(2 * RATE_HZ * kept_s)])
    result = classify(path)
    (note,) = result.notes
    assert "shorter than its header" in note
    assert result.duration_s == pytest.approx(kept_s, abs=0.001)
    whole = tmp_path / "kept.wav"
    soundfile.write(whole, load("human-01.wav", max_s=kept_s), RATE_HZ)
    assert result.events == classify(whole).events


def test_a_wav_within_its_header_is_an_error(tmp_path):
    path = tmp_path / "cut.wav"
    path.write_bytes(wav_bytes(tmp_path, load("human-01.wav"))[:30])
    assert "not audio" in fail(path)


def test_a_wav_with_an_odd_number_of_bytes_is_whole(tmp_path):
    path = tmp_path / "odd.wav"
    soundfile.write(path, load("human-01.wav")[:40_001], RATE_HZ, subtype="ULAW")
    result = classify(path)
    assert result.duration_s == 40_001 / RATE_HZ
    assert result.notes == ()


def test_a_title_within_the_file_is_not_taken_for_a_cut_end(tmp_path):
    path = tmp_path / "titled.wav"
    with soundfile.SoundFile(path, "w", RATE_HZ, 1) as sound:
        sound.title = "the length should be 6 s"
        sound.write(load("human-01.wav"))
    assert classify(path).notes == ()


def test_a_wrong_byte_rate_in_the_header_is_not_taken_for_a_cut_end(tmp_path):
    data = wav_bytes(tmp_path, load("human-01.wav"))
    data[28:32] = struct.pack("<I", 1)
    path = tmp_path / "rate.wav"
    path.write_bytes(data)
    assert classify(path).notes == ()


def test_a_wav_whose_recorder_was_stopped_is_not_silently_taken_for_an_empty_call(tmp_path):
    """A recorder that writes the lengths last leaves zeros when it is stopped: more is there than is said."""
    data = wav_bytes(tmp_path, load("human-01.wav"))
    data_at = data.index(b"data")
    data[4:8] = data[data_at + 4 : data_at + 8] = struct.pack("<I", 0)
    path = tmp_path / "open.wav"
    path.write_bytes(data)
    (outcome,) = classify_many([str(path)], END)
    told = isinstance(outcome, Failure) or any("shorter" not in note for note in outcome.notes)
    assert told or outcome.events == classify(SAMPLES / "human-01.wav", END).events


@pytest.mark.parametrize("share", [0.001, 0.01, 0.3, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".aiff"])
def test_a_compressed_file_cut_anywhere_is_judged_or_refused(tmp_path, share, suffix):
    whole, cut = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}"
    soundfile.write(whole, load("machine-02.wav"), RATE_HZ)
    data = whole.read_bytes()
    cut.write_bytes(data[: round(share * len(data))])
    (outcome,) = classify_many([str(cut)], END)
    if isinstance(outcome, Failure):
        assert outcome.reason.startswith(f"{cut}: ")
    else:
        assert outcome.duration_s <= classify(whole, END).duration_s


def test_a_headerless_file_that_ends_within_a_sample_loses_that_byte_with_a_note(tmp_path):
    path = tmp_path / "odd.sln"
    path.write_bytes(pcm16(load("human-01.wav")).tobytes() + b"\x01")
    result = classify(path, END)
    (note,) = result.notes
    assert "last byte" in note
    assert result.events == classify(SAMPLES / "human-01.wav", END).events


@pytest.fixture(scope="module")
def thirty(tmp_path_factory):
    """Short calls of three kinds, with three bad files among them; and which those are."""
    folder = tmp_path_factory.mktemp("thirty")
    paths = []
    for index in range(30):
        name = ("human-01.wav", "fax-02.wav", "machine-02.wav")[index % 3]
        path = folder / f"call-{29 - index:02d}.wav"  # names do not sort as they are given
        soundfile.write(path, load(name, max_s=5.0), RATE_HZ, subtype="ULAW")
        paths.append(str(path))
    bad = {4: folder / "text.wav", 17: folder / "nothing.wav", 29: folder / "nan.wav"}
    bad[4].write_text("no call")
    soundfile.write(bad[29], np.full(800, np.nan, dtype=np.float32), RATE_HZ, subtype="FLOAT")
    for index, path in bad.items():
        paths[index] = str(path)
    return paths, set(bad)


def test_many_recordings_come_in_the_order_given_with_failures_among_them(thirty):
    paths, bad = thirty
    outcomes = list(classify_many(iter(paths), jobs=1))
    assert [outcome.file for outcome in outcomes] == paths
    assert {index for index, outcome in enumerate(outcomes) if isinstance(outcome, Failure)} == bad
    for index in bad:
        assert paths[index] in outcomes[index].reason
    wanted = {0: Party.HUMAN, 1: Party.FAX, 2: Party.MACHINE}
    for index, outcome in enumerate(outcomes):
        if index not in bad:
            assert isinstance(outcome, Result)
            assert outcome.party is wanted[index % 3]


def test_worker_processes_give_the_results_that_one_process_gives(thirty):
    paths, _ = thirty
    assert len(paths) >= POOL_MIN_FILES  # else no worker is started
    assert list(classify_many(paths, END, jobs=2)) == list(classify_many(paths, END, jobs=1))


def test_a_headerless_file_of_unknown_name_does_not_stop_the_others(tmp_path):
    raw, good = tmp_path / "call.raw", SAMPLES / "human-01.wav"
    write_raw(raw, load("human-01.wav"), "ULAW")
    first, second = classify_many([str(raw), str(good)])
    assert isinstance(first, Failure)
    assert second == classify(good)


def test_no_paths_give_no_results():
    assert list(classify_many([])) == []


def test_what_a_recording_is_judged_by_applies_to_all_of_them(two_sides):
    outcomes = [
        next(classify_many([str(two_sides)], dataclasses.replace(END, channel=channel))) for channel in (0, 1, 2)
    ]
    assert [getattr(outcome, "party", None) for outcome in outcomes] == [Party.HUMAN, Party.MACHINE, None]


@pytest.mark.parametrize("file", ["human-01.wav", "machine-02.wav", "network-02.wav", "silence-01.wav"])
def test_a_result_as_json_has_the_documented_fields_in_order_and_round_trips(file):
    result = classify(SAMPLES / file, END)
    plain = result.to_dict()
    assert list(plain) == FIELDS
    assert json.loads(json.dumps(plain)) == plain
    assert plain["file"] == str(SAMPLES / file)
    assert plain["party"] == result.party.value
    assert plain["sub_state"] == (result.sub_state.value if result.sub_state else None)
    assert plain["cause"] == result.cause.value
    for name in ("probability", "decided_at_s", "known_s", "duration_s"):
        assert plain[name] == pytest.approx(getattr(result, name), abs=6e-5)
    assert plain["events"] == [amd.to_dict(event) for event in result.events]
    assert {type(value) for value in plain.values()} <= {str, float, list, type(None)}


@pytest.mark.parametrize("file", FILES)
def test_a_result_is_json_that_every_reader_takes(file):
    """NaN and Infinity are no JSON (RFC 8259): most readers refuse a line that holds them."""
    json.dumps(classify(SAMPLES / file, END).to_dict(), allow_nan=False)


def test_a_path_is_taken_as_text_and_as_a_path_and_told_as_given(monkeypatch):
    monkeypatch.chdir(SAMPLES)
    as_text, as_path = classify("human-01.wav"), classify(Path("human-01.wav"))
    assert as_text == as_path
    assert as_text.file == "human-01.wav"


@pytest.mark.parametrize("channel", [None, 0])
def test_a_headerless_file_has_one_channel(tmp_path, channel):
    path = tmp_path / "call.ulaw"
    path.write_bytes(b"\xff" * 8000)
    assert classify(path, Reading(channel=channel)).duration_s == 1.0
    with pytest.raises(RecordingError, match=r"call\.ulaw: channel 1 is not there: a headerless file has one"):
        classify(path, Reading(channel=1))
