"""The pages on telephone systems that place calls: what they say to write and to paste can be read."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

PAGES = Path(__file__).parents[1] / "docs" / "systems"
KINDS = {"freeswitch-callback.md": "esl", "twilio-callback.md": "twilio"}


def python_of(text):
    """The indented block that builds the dialer."""
    blocks = re.findall(r"(?:^(?:    .*)?\n)+", text, re.MULTILINE)
    return "\n".join(line[4:] for line in max(blocks, key=len).splitlines())


@pytest.mark.parametrize(("page", "kind"), KINDS.items())
def test_the_dialer_of_a_page_is_made(page, kind):
    made = {}
    exec(python_of((PAGES / page).read_text()), made)  # noqa: S102 -- our own page
    assert made["dialer"].name == kind


@pytest.mark.parametrize("page", KINDS)
def test_the_xml_of_a_page_is_xml(page):
    for block in re.findall(r"```xml\n(.*?)```", (PAGES / page).read_text(), re.DOTALL):
        ET.fromstring(f"<all>{block}</all>")  # noqa: S314 -- our own page
