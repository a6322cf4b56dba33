"""The accuracy report: right figures, one file that loads nothing, readable by everybody in a real browser."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from browser import browser, complaints, requests, show, weak_texts
from labeled_sets import many_samples

import amd
from amd import MissingExtraError
from amd.cli import main
from amd.evaluation.measured import read_measured
from amd.report import figures, page
from amd.report.operating import front

N_CALLS = 56


class Outline(HTMLParser):
    """What a page is made of."""

    def __init__(self):
        super().__init__()
        self.tags, self.ids, self.headings, self.addresses, self.titles = [], [], [], [], []
        self.text = ""
        self._in = []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        self._in.append(tag)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.addresses += [
            value for name, value in attrs.items() if name in ("src", "href", "xlink:href") and value
        ]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_data(self, data):
        if self._in and self._in[-1] == "title":
            self.titles.append(data)
        self.text += data

    def handle_endtag(self, tag):
        while self._in and self._in.pop() != tag:
            pass

    def all(self, tag):
        return [attrs for found, attrs in self.tags if found == tag]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A report of a set with errors, slices, another system and a name that is no HTML."""
    place = tmp_path_factory.mktemp("report")
    folder = many_samples(
        place / "set",
        N_CALLS,
        carrier=lambda n: ("north & <b>co</b>", "south")[n % 2],
        box_verdict=lambda n: ("HUMAN", "MACHINE", "NOTSURE", "")[n % 4],
        box_known_s=lambda n: str(1 + n % 3) if n % 4 < 3 else "",
    )
    text = (folder / "manifest.csv").read_text().splitlines()
    for number in (1, 2, 3):  # wrong on purpose
        text[number] = text[number].replace(",human,", ",machine,").replace("synthetic", "composed")
    (folder / "manifest.csv").write_text("\n".join(text) + "\n")
    out, table = place / "report.html", place / "calls.csv"
    argv = ["evaluate", folder, "--out", table, "--report", out, "--format", "json", "--title", "trunk <7> & co"]
    done = subprocess.run(
        [sys.executable, "-m", "amd", *map(str, argv)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(amd.__file__).parents[1],
    )
    assert done.returncode == 0, done.stderr
    outline = Outline()
    outline.feed(out.read_text(encoding="utf-8"))
    return out, table, json.loads(done.stdout), outline


# -- what it says


def test_the_title_says_that_calls_were_composed_and_is_no_markup(made):
    _, _, _, outline = made
    assert "".join(outline.titles).endswith("on 56 composed and synthetic calls: trunk <7> & co")
    assert "trunk <7> & co" in outline.text
    assert "These calls were made, not recorded." in outline.text
    assert "north & <b>co</b>" in outline.text
    assert not any(tag == "b" for tag, _ in outline.tags)


def test_it_says_what_was_measured_on_what(made):
    _, _, told, outline = made
    assert told["manifest_sha256"] in outline.text
    assert f"model {told['model']}, policy balanced" in outline.text
    assert "human_gap_min_s" in outline.text
    assert re.search(r"Made 20\d\d-\d\d-\d\d \d\d:\d\d UTC", outline.text)


def test_every_count_is_that_of_the_table_of_calls(made):
    _, table, told, outline = made
    calls = list(read_measured(table))
    wrong = [call for call in calls if not call.right]
    assert len(wrong) >= 3
    assert told["calls"] == len(calls) == N_CALLS
    assert told["scores"]["accuracy"]["count"] == N_CALLS - len(wrong)
    assert f"{len(wrong)} of {N_CALLS} calls" in outline.text
    for call in wrong:
        assert call.file in outline.text
    words = " ".join(outline.text.split())
    people = sum(call.label is amd.Party.HUMAN for call in calls)
    assert f"Live answers: {people};" in words
    only_ours = sum(
        call.right
        for call in calls
        if call.columns["box_verdict"]
        and {"HUMAN": "human", "MACHINE": "machine", "NOTSURE": "unsure"}[call.columns["box_verdict"]]
        != call.label
    )
    assert f"amd {only_ours}, box " in words


def test_every_section_is_there_and_every_error_has_its_picture(made):
    _, _, told, outline = made
    sections = (
        "what",
        "confusion",
        "systems",
        "curves",
        "times",
        "probability",
        "slices",
        "ends",
        "rules",
        "errors",
    )
    assert set(sections) <= set(outline.ids)
    names = (
        "roc",
        "det",
        "cost",
        "lost",
        "from-answer",
        "from-speech",
        "from-greeting",
        "reliability",
        "beeps",
        "ends",
    )
    assert {f"figure-{name}" for name in names} <= set(outline.ids)
    n_errors = N_CALLS - told["scores"]["accuracy"]["count"]
    images = outline.all("img")
    assert len(images) == n_errors
    assert all(image["src"].startswith("data:image/png;base64,") for image in images)
    assert not outline.all("audio")


def test_it_is_one_file_that_loads_nothing(made):
    out, _, _, outline = made
    text = out.read_text(encoding="utf-8")
    assert all(address.startswith(("#", "data:")) for address in outline.addresses)
    assert not outline.all("script")
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert str(out.parent) not in text
    assert len(text) < 2_000_000


def test_its_parts_have_names_that_are_used_once(made):
    _, _, _, outline = made
    assert len(outline.ids) == len(set(outline.ids))
    targets = {address[1:] for address in outline.addresses if address.startswith("#")}
    assert targets <= set(outline.ids)
    labels = {attrs["aria-labelledby"] for _, attrs in outline.tags if "aria-labelledby" in attrs}
    assert labels <= set(outline.ids)


def test_headings_go_down_a_step_at_a_time_and_all_that_is_drawn_is_told_in_words(made):
    _, _, _, outline = made
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    assert all(
        later <= earlier + 1 for earlier, later in zip(outline.headings, outline.headings[1:], strict=False)
    )
    assert all(len(image["alt"]) > 20 for image in outline.all("img"))
    drawings = outline.all("svg")
    assert len(drawings) == 10
    assert all(one["role"] == "img" and len(one["aria-label"]) > 40 for one in drawings)
    assert len(outline.all("figcaption")) == len(outline.all("figure")) == 10
    assert len(outline.all("caption")) == len(outline.all("table")) - 1  # the one within "all its thresholds"
    assert all("scope" in attrs for attrs in outline.all("th"))
    assert outline.all("html")[0]["lang"] == "en"


def test_text_of_figures_stays_text_and_takes_the_page_s_colours(made):
    text = made[0].read_text(encoding="utf-8")
    assert "seconds from the end of the greeting</text>" in text
    assert not re.search(r"#0[1-6]0[1-6]0[1-6]", text)
    assert "var(--machine)" in text


def test_audio_is_in_it_only_when_asked_for(tmp_path):
    folder = many_samples(tmp_path / "set", 4)
    text = (folder / "manifest.csv").read_text().replace(",human,", ",machine,", 1)
    (folder / "manifest.csv").write_text(text)
    out = tmp_path / "r.html"
    argv = ["evaluate", str(folder), "--out", str(tmp_path / "c.csv"), "--report", str(out), "--jobs", "1"]
    assert main([*argv, "--embed-audio", "--pictures", "1"]) == 0
    outline = Outline()
    outline.feed(out.read_text())
    (audio,) = outline.all("audio")
    assert audio["src"].startswith("data:audio/flac;base64,")
    assert audio["aria-label"] == "Recording call-00000.wav"
    assert "The recordings are in this file." in outline.text


@pytest.mark.parametrize("keep", ["human", "machine", "fax", "silence"])
def test_a_set_of_one_kind_has_a_report_too(tmp_path, keep):
    folder = many_samples(tmp_path / "set", 28)
    header, *rows = (folder / "manifest.csv").read_text().splitlines()
    kept = [",".join(row.split(",")[:2]) for row in rows if f",{keep}," in row]
    (folder / "manifest.csv").write_text("\n".join(["file,label", *kept]) + "\n")
    assert header.startswith("file,label")
    out = tmp_path / "r.html"
    argv = ["evaluate", str(folder), "--out", str(tmp_path / "c.csv"), "--report", str(out), "--jobs", "1"]
    assert main(argv) == 0
    text = out.read_text()
    assert f"on {len(kept)} calls: set</title>" in text
    assert ">nan" not in text


def test_proposals_that_nobody_checked_are_told_at_the_top(tmp_path):
    folder = many_samples(tmp_path / "set", 4, checked=lambda n: "yes" if n == 0 else "")
    out = tmp_path / "r.html"
    main(["evaluate", str(folder), "--out", str(tmp_path / "c.csv"), "--report", str(out), "--jobs", "1"])
    assert "3 of 4 labels are proposals of this detector that nobody checked" in out.read_text()


# -- before hours of work


def test_without_its_extra_it_says_so_before_anything_is_judged(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(page.NEEDS, "no_such_module", "NoSuchModule")
    folder = many_samples(tmp_path / "set", 1)
    argv = ["evaluate", str(folder), "--out", str(tmp_path / "c.csv"), "--report", str(tmp_path / "r.html")]
    assert main(argv) == 1
    assert "the report needs NoSuchModule: pip install 'amd-callback[report]'" in capsys.readouterr().err
    assert not (tmp_path / "c.csv").exists()
    with pytest.raises(MissingExtraError):
        page.check_installed()


def test_a_folder_for_the_report_that_is_not_there_is_told_before_anything_is_judged(tmp_path, capsys):
    folder = many_samples(tmp_path / "set", 1)
    argv = ["evaluate", str(folder), "--out", str(tmp_path / "c.csv"), "--report", str(tmp_path / "no" / "r.html")]
    assert main(argv) == 1
    assert "no" in capsys.readouterr().err
    assert not (tmp_path / "c.csv").exists()


# -- figures


def test_reliability_sorts_verdicts_by_what_was_said():
    probability = np.array([0.55, 0.58, 0.97, 0.96, 0.95, 1.0, 0.3])
    right = np.array([True, False, True, True, True, True, False])
    bins = figures.reliability(probability, right)
    assert [(one.low, one.high, one.right.count, one.right.total) for one in bins] == [
        (0.0, 0.5, 0, 1),
        (0.5, 0.6, 1, 2),
        (0.95, 0.98, 3, 3),
        (0.98, 1.0, 1, 1),
    ]
    assert figures.calibration_error(bins) == pytest.approx((0.3 + 2 * abs(0.565 - 0.5) + 3 * 0.04 + 0) / 7)


def test_the_curves_count_people_and_machines_at_every_threshold():
    score = np.array([0.9, 0.9, 0.7, 0.4, 0.2])
    human = np.array([False, True, False, True, True])
    people, machines = figures.rates(score, human, ~human)
    assert people.tolist() == pytest.approx([0, 1 / 3, 1 / 3, 2 / 3, 1])
    assert machines.tolist() == [0, 0.5, 1, 1, 1]


def test_no_point_of_the_front_is_beaten():
    from amd.report.operating import Point

    rng = np.random.default_rng(2)
    none = {"human_called_machine": 0.0, "machine_called_human": 0.0, "unsure": 0.0}
    points = [Point(name="", delay_s=a, cost=b, **none) for a, b in rng.random((200, 2))]
    best = front([*points, Point(name="", delay_s=float("nan"), cost=0.0, **none)])
    for one in best:
        assert not any(two.delay_s <= one.delay_s and two.cost < one.cost for two in points)
    for two in points:
        assert any(one.delay_s <= two.delay_s and one.cost <= two.cost for one in best)


# -- in a browser


@pytest.fixture(scope="module")
def driver():
    with browser() as one:
        yield one


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_in_a_browser_it_fits_loads_nothing_and_can_be_read(made, driver, size, scheme):
    url = made[0].as_uri()
    show(driver, url, size, scheme)
    assert complaints(driver) == []
    assert requests(driver) == [url]
    page_px, window_px = driver.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert page_px <= window_px
    assert weak_texts(driver) == []
    smallest_px = driver.execute_script(
        "const texts = [...document.querySelectorAll('svg text')];"
        "return Math.min(...texts.map(one => one.getBoundingClientRect().height))"
    )
    assert smallest_px >= 8


def test_in_a_browser_the_keyboard_reaches_what_moves_or_opens(made, driver):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    show(driver, made[0].as_uri(), "phone", "light")
    reached = []
    while len(reached) < 2 or reached[-1] not in ("A skip", "BODY "):
        ActionChains(driver).send_keys(Keys.TAB).perform()
        reached.append(
            driver.execute_script(
                "const one = document.activeElement; return one.tagName + ' ' + (one.className || one.hash || '')"
            )
        )
    assert reached[0] == "A skip"
    assert "A #rules" in reached
    assert any(one.startswith("SUMMARY") for one in reached)
    n_regions = driver.execute_script("return document.querySelectorAll('.scroll').length")
    assert reached.count("DIV scroll") == n_regions
    assert n_regions >= 5
    visible = driver.execute_script(
        "const one = document.querySelector('.skip'); one.focus(); return one.getBoundingClientRect().left"
    )
    assert visible >= 0


def test_in_a_browser_the_set_s_own_words_run_nothing(tmp_path, driver):
    evil = "\"><img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    folder = many_samples(
        tmp_path / "set", 4, carrier=lambda n: ("'" + evil if n % 2 else "fine").replace(",", "")
    )
    out = tmp_path / "r.html"
    argv = ["evaluate", str(folder), "--out", str(tmp_path / "c.csv"), "--report", str(out), "--jobs", "1"]
    assert main([*argv, "--title", evil]) == 0
    show(driver, out.as_uri(), "desktop", "light")
    assert driver.title.startswith("Answering-machine detection on")
    assert complaints(driver) == []
    assert requests(driver) == [out.as_uri()]
