"""The report of a simulation: one HTML file that loads nothing, in the style of `amd.report`."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final

from callback.simulation.drawings import drawings
from callback.simulation.measures import MEASURES
from callback.simulation.policies import MEANINGS
from callback.simulation.scenario import ScenarioError
from callback.simulation.text import SECTIONS, figure

NEEDS: Final = {"jinja2": "Jinja2", "matplotlib": "matplotlib"}
TILES: Final = (
    ("customer first", "wasted", "agents' time wasted, customer first"),
    ("agent first", "wasted", "agents' time wasted, agent first"),
    ("customer first", "retried_wait_s", "wait if retried, the place kept"),
    ("retry to back", "retried_wait_s", "wait if retried, to the back"),
)


def check_installed() -> None:
    """Raise `ScenarioError` unless what the report needs is installed."""
    missing = [name for module, name in NEEDS.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise ScenarioError(f"the report needs {' and '.join(missing)}: pip install 'amd-callback[simulation]'")


def write_report(data: Mapping[str, Any], out: Path) -> None:
    """Write the report of what `callback simulate` gave as JSON."""
    check_installed()
    out.write_text(render(data), encoding="utf-8")


def render(data: Mapping[str, Any]) -> str:
    """Put what was simulated into the template."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - figures must not need it

    environment = Environment(
        loader=PackageLoader("callback.simulation", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["words"] = lambda name: name.removesuffix("_s").replace("_", " ")
    style = resources.files("amd.report").joinpath("report.css").read_text(encoding="utf-8")
    drawn = {one.name: one for one in drawings(data)}
    return environment.get_template("simulation.html.j2").render(
        style=style,
        data=data,
        figure=figure,
        measures=MEASURES,
        meanings=MEANINGS,
        sections=[(key, *SECTIONS[key]) for key in data["tables"]],
        drawn=drawn,
        tiles=[(words, *_value(data, policy, name)) for policy, name, words in TILES],
    )


def _value(data: Mapping[str, Any], policy: str, name: str) -> tuple[str, str]:
    text = figure(name, data["tables"]["policies"][policy]["figures"][name])
    value, _, rest = text.partition(" (")
    return value, rest.removesuffix(")")
