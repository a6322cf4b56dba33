"""The README says what is true: its tables are generated, its commands are two."""

import re

import pytest

from benchmarks import model_card, readme, tables

TEXT = readme.README.read_text(encoding="utf-8")


def test_the_tables_are_what_the_detector_says_now():
    assert readme.written(TEXT) == TEXT, "run: python -m benchmarks readme"


def test_the_page_of_policies_is_what_the_code_says_now():
    assert readme.policy_page() == readme.POLICY.read_text(encoding="utf-8"), "run: python -m benchmarks readme"


def test_the_model_card_is_what_the_model_s_file_says():
    assert model_card.page() == model_card.PAGE.read_text(encoding="utf-8"), "run: python -m benchmarks readme"


def test_the_figures_of_the_tones_are_those_of_the_last_run():
    page = readme.BENCHMARKS.read_text(encoding="utf-8")
    assert readme.with_tones(page) == page, "run: python -m benchmarks readme"


def test_the_tables_of_the_benchmarks_are_what_their_results_say():
    text = tables.PAGE.read_text(encoding="utf-8")
    assert tables.page(text) == text, "run: python -m benchmarks readme"
    assert all(tables.BEGIN.format(name=name) in text for name in tables.TABLES)
    speed = tables.SPEED_PAGE.read_text(encoding="utf-8")
    assert tables.page(speed, tables.SPEED_TABLES) == speed, "run: python -m benchmarks readme"


def test_a_page_without_a_place_for_a_table_is_an_error():
    with pytest.raises(ValueError, match="has no place for the table"):
        tables.page("nothing")


def test_there_are_two_commands_for_a_fresh_machine():
    section = TEXT.split("## Two commands")[1].split("\n## ")[0]
    assert len(re.findall(r"^```sh\n", section, re.MULTILINE)) == 2
