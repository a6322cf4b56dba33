"""What docs/adapters.md says of the systems is what the table of systems has."""

import re
from pathlib import Path

import pytest

from amd.adapters.systems import SYSTEMS

PAGE = (Path(__file__).parents[1] / "docs" / "adapters.md").read_text()
ROWS = {found[1]: found[0] for found in re.finditer(r"^\| `(\w+)`.*\|$", PAGE.partition("## ")[0], re.MULTILINE)}


def test_the_table_has_every_system_and_no_other():
    assert ROWS.keys() == SYSTEMS.keys()


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_table_states_the_added_delay(name):
    system = SYSTEMS[name]
    waits_ms = round(1000 * (system.timing.jitter_s + system.timing.packet_s))
    column = ROWS[name].split("|")[4]
    assert f"{waits_ms} ms" in column
    assert ("missing" in column) == (system.hold_s > 0)
    assert system.hold_s == 0 or f"{round(1000 * system.hold_s)} ms" in column


def test_every_websocket_has_its_path_on_the_page():
    for name, system in SYSTEMS.items():
        assert (f"/{name}" in PAGE.partition("## amd listen")[2]) == system.websocket
