"""A picture of every call: readable, the same each time, and no label over another."""

import dataclasses
import itertools
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amd import (
    PRESETS,
    AmdError,
    AudioError,
    Cause,
    Contradiction,
    Deadline,
    Detector,
    MissingExtraError,
    Party,
    SpeechStarted,
    SubState,
    ToneHeard,
    ToneKind,
    Until,
    Verdict,
    Weight,
    drawing,
)
from amd.drawing import draw_call, headline

mpl = pytest.importorskip("matplotlib")

SAMPLES = Path(__file__).parents[1] / "datasets" / "samples"
PNG = b"\x89PNG\r\n\x1a\n"


def heard(audio, policy="balanced"):
    """What `draw_call` takes, for a call of this audio."""
    traces = []
    detector = Detector(dataclasses.replace(PRESETS[policy], until=Until.END), observer=traces.append)
    events = detector.feed(audio) + detector.finish()
    return audio, events, traces, detector.verdict


def sample(name, policy="balanced"):
    return heard(soundfile.read(SAMPLES / name, dtype="float32")[0], policy)


def texts(path):
    """Every text of an SVG, which must be well-formed."""
    return [element.text for element in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314


def svg_of(call, out, title="a call"):
    draw_call(*call, title=title, out=out)
    return texts(out)


def verdict(**fields):
    given = {
        "at_s": 2.0,
        "known_s": 2.03,
        "party": Party.HUMAN,
        "sub_state": None,
        "cause": Cause.GREETING_THEN_SILENCE,
        "probability": 0.8359,
        "final": True,
    }
    return Verdict(**{**given, **fields})


def crowded():
    """A call on which far more happens, and closer together, than on any real one."""
    audio, events, traces, given = sample("machine-03.wav", "fast")
    about = {"cause": Cause.LONG_GREETING, "probability": 0.98, "decided": Party.MACHINE}
    tones = [
        ToneHeard(at_s=t, known_s=t, kind=kind, on_s=t - 0.2, off_s=t, freqs_hz=(400.0, 450.0))
        for t, kind in zip(np.arange(1, 25) / 3, itertools.cycle(ToneKind), strict=False)
    ]
    more = [
        Contradiction(at_s=5.1, known_s=5.1, suggested=Party.HUMAN, **about),
        Deadline(at_s=5.1, known_s=5.1, what="greeting_end", limit_s=60.0),
        Contradiction(at_s=9.1, known_s=9.1, suggested=Party.NETWORK, **about),
    ]
    return audio, [*events, *more, *tones], traces, given


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "human (greeting then silence), probability 0.84, decided 2.03 s after answer"),
        (
            {"party": Party.NETWORK, "cause": Cause.SIT, "sub_state": SubState.SIT_INTERCEPT, "probability": 0.99},
            "network (SIT), probability 0.99, decided 2.03 s after answer",
        ),
        (
            {"party": Party.SILENCE, "cause": Cause.NO_SPEECH, "probability": 0.9, "final": False},
            "silence (no speech), probability 0.90, provisional, given 2.03 s after answer",
        ),
    ],
)
def test_the_headline_says_the_verdict_in_words(fields, words):
    assert headline(verdict(**fields)) == words


def test_no_verdict_has_a_headline_too():
    assert headline(None) == "no verdict"


@pytest.mark.parametrize("suffix", [".png", ".PNG"])
def test_a_png_is_a_whole_picture(tmp_path, suffix):
    image = pytest.importorskip("PIL.Image")
    out = tmp_path / f"call{suffix}"
    draw_call(*sample("machine-06.wav"), title="machine-06.wav", out=out)
    assert out.read_bytes().startswith(PNG)
    with image.open(out) as picture:
        pixels = np.asarray(picture.convert("L"))
    assert pixels.shape[1] == 1430
    assert pixels.shape[0] > 900
    assert 0.05 < np.mean(pixels < 128) < 0.5  # neither blank nor black


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("human-10.wav", ["ringback 460 Hz", "verdict: human", "done, no longer listening", "gap_s = ", "speech"]),
        ("machine-06.wav", ["beep 850 Hz", "greeting ended (beep)", "verdict: machine 0.9"]),
        ("machine-08.wav", ["verdict: machine 0.99", "beep; nothing was"]),
        ("machine-07.wav", ["5.01 s  provisional: silence 0.90", "7.50 s  verdict: machine 0.98", "beep 1400 Hz"]),
        ("network-02.wav", ["SIT 914 → 1370 → 1776 Hz", "SIT intercept", "verdict: network"]),
        ("network-03.wav", ["verdict: network", "busy 480 + 620 Hz"]),
        ("fax-02.wav", ["fax CNG 1100 Hz, 2 times", "verdict: fax"]),
        ("silence-01.wav", ["provisional: silence", "10.10 s  verdict: silence", "no speech, so no probability"]),
    ],
)
def test_an_svg_says_in_text_what_happened(tmp_path, name, wanted):
    call = sample(name)
    found = svg_of(call, tmp_path / "call.svg", title=name)
    assert headline(call[3]) in found
    assert any(text.startswith(name) for text in found)
    for words in wanted:
        assert any(words in text for text in found), words


def test_what_did_not_happen_is_not_drawn(tmp_path):
    found = svg_of(sample("human-01.wav"), tmp_path / "call.svg")
    for words in ("tone", "boxed", "deadline", "contradiction", "greeting ended", "provisional", "no longer"):
        assert not any(words in text for text in found), words


def test_deadlines_and_contradictions_are_marked(tmp_path):
    found = svg_of(crowded(), tmp_path / "call.svg")
    assert "5.10 s  contradiction: human 0.98" in found
    assert "9.10 s  contradiction: network 0.98" in found
    assert "5.10 s  deadline: greeting end 60 s" in found
    assert any("more" in text for text in found)  # tones beyond what has room are counted, not hidden


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_same_call_gives_the_same_bytes(tmp_path, suffix):
    call = sample("machine-01.wav")
    first, second = tmp_path / f"first{suffix}", tmp_path / f"second{suffix}"
    draw_call(*call, title="a call", out=first)
    with mpl.rc_context({"font.size": 30, "svg.hashsalt": None, "axes.facecolor": "red"}):
        draw_call(*call, title="a call", out=second)  # and a user's style changes nothing
    assert first.read_bytes() == second.read_bytes()


def test_no_global_state_is_left_behind(tmp_path):
    before = dict(mpl.rcParams)
    draw_call(*sample("human-01.wav"), title="a call", out=tmp_path / "call.svg")
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", ["call.pdf", "call", "call.png.txt"])
def test_another_suffix_is_refused_by_name(tmp_path, name):
    with pytest.raises(AmdError, match=r"\.png, \.svg"):
        draw_call(*heard(np.zeros(8000, np.float32)), title="a call", out=tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_audio_that_is_none_is_refused(tmp_path):
    with pytest.raises(AudioError, match="mono"):
        draw_call(np.zeros((8, 2), np.float32), [], [], None, title="a call", out=tmp_path / "call.png")


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'amd-callback\[report\]'"):
        draw_call(*heard(np.zeros(8000, np.float32)), title="a call", out=tmp_path / "call.png")


@pytest.mark.parametrize("suffix", [".png", ".svg"])
@pytest.mark.parametrize("n_samples", [0, 1, 255, 256, 300, 8000, 90_000])
def test_digital_silence_of_any_length_is_drawn(tmp_path, n_samples, suffix):
    call = heard(np.zeros(n_samples, np.float32))
    out = tmp_path / f"call{suffix}"
    draw_call(*call, title="nothing", out=out)
    if suffix == ".png":
        assert out.read_bytes().startswith(PNG)
        return
    found = texts(out)
    assert headline(call[3]) in found
    assert "no speech, so no probability" in found
    assert ("no frame was heard" in found) == (n_samples < 256)


def test_a_call_in_progress_has_no_verdict_yet(tmp_path):
    audio = soundfile.read(SAMPLES / "human-01.wav", dtype="float32")[0][:8000]
    traces = []
    events = Detector(observer=traces.append).feed(audio)
    assert any(isinstance(event, SpeechStarted) for event in events)  # a run that is still open
    found = svg_of((audio, events, traces, None), tmp_path / "call.svg")
    assert "no verdict" in found
    assert "nothing yet" in found
    assert "speech" in found


def test_a_provisional_verdict_is_marked_once(tmp_path):
    given = verdict(final=False)
    found = svg_of((np.zeros(24_000, np.float32), [given], [], given), tmp_path / "call.svg")
    assert [text for text in found if "provisional: " in text] == ["2.03 s  provisional: human 0.84"]


def test_evidence_that_is_unknown_or_weightless_is_drawn(tmp_path):
    weights = (
        Weight(name="prior", value=1.0, log_odds=0.0),
        Weight(name="onset_s", value=float("nan"), log_odds=0.0),
    )
    given = verdict(evidence=weights)
    found = svg_of((np.zeros(24_000, np.float32), [given], [], given), tmp_path / "call.svg")
    assert "prior" in found
    assert "onset_s unknown" in found


def test_a_title_in_any_script_is_text_and_nothing_else(tmp_path):
    title = "電話 $x^2$ <b>&\n\x00\udcff " + "n" * 200
    found = svg_of(heard(np.zeros(8000, np.float32)), tmp_path / "call.svg", title=title)
    assert any(text.startswith("電話 $x^2$ <b>& \N{REPLACEMENT CHARACTER}") and "…" in text for text in found)
    draw_call(*heard(np.zeros(8000, np.float32)), title=title, out=tmp_path / "call.png")


@pytest.mark.parametrize("listened", [True, False])
def test_ten_minutes_are_bounded_work(tmp_path, listened):
    rng = np.random.default_rng(0)
    audio = rng.normal(scale=0.01, size=600 * 8000).astype(np.float32)
    frame = heard(np.zeros(300, np.float32))[2][0]
    traces = [dataclasses.replace(frame, at_s=0.016 * (k + 1), active=k % 2 == 0) for k in range(37_498)]
    began_s = time.process_time()
    found = svg_of((audio, [], traces if listened else [], None), tmp_path / "call.svg")
    assert time.process_time() - began_s < 20
    assert (tmp_path / "call.svg").stat().st_size < 3_000_000
    assert any("600.0 s of audio" in text for text in found)
    assert not any("drawn" in text for text in found)


def test_what_comes_long_after_the_end_of_listening_is_left_out(tmp_path):
    audio = soundfile.read(SAMPLES / "human-10.wav", dtype="float32")[0]
    found = svg_of(heard(np.concatenate([audio, np.zeros(800_000, np.float32)])), tmp_path / "call.svg")
    assert any("111.3 s of audio   ·   the first 17.9 s drawn" in text for text in found)


def test_short_tones_survive_pooling():
    audio = np.zeros(600 * 8000, np.float32)
    audio[4_000_000:4_000_800] = np.sin(2 * np.pi * 1000 * np.arange(800) / 8000)
    power_db = drawing.panels._spectrogram_db(audio)
    assert power_db.shape == (1500, 129)
    column, line = np.unravel_index(np.argmax(power_db), power_db.shape)
    assert line == 32  # 1000 Hz
    assert column == pytest.approx(1250, abs=1)
    assert power_db.max() == pytest.approx(0, abs=0.5)  # a full-scale sine
    assert np.median(power_db) == pytest.approx(-120, abs=0.1)  # the log of zero is cut off


@pytest.mark.parametrize("name", [*sorted(path.name for path in SAMPLES.glob("*.wav")), "crowded"])
def test_no_text_lies_over_another_or_leaves_the_picture(name, monkeypatch):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    boxes = {}
    draw = Text.draw

    def record(text, renderer):  # an axis keeps tick labels that it never draws: ask what is drawn
        if text.get_text():
            boxes[id(text)] = (text.get_text(), Text.get_window_extent(text, renderer))
        draw(text, renderer)

    audio, events, traces, given = crowded() if name == "crowded" else sample(name, "fast")
    with mpl.rc_context(drawing.call._SETTINGS):
        figure = Figure()
        drawing.call._compose(figure, audio, events, traces, given, "a call")
        monkeypatch.setattr(Text, "draw", record)
        FigureCanvasAgg(figure).draw()
    assert len(boxes) > 25
    for words, box in boxes.values():
        assert 0 <= box.x0 < box.x1 <= figure.bbox.width, words
        assert 0 <= box.y0 < box.y1 <= figure.bbox.height, words
    for (words, box), (other_words, other) in itertools.combinations(boxes.values(), 2):
        overlap_x = min(box.x1, other.x1) - max(box.x0, other.x0)
        overlap_y = min(box.y1, other.y1) - max(box.y0, other.y0)
        assert min(overlap_x, overlap_y) <= 1, f"{words!r} lies over {other_words!r}"
