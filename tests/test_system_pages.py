"""The snippets of docs/systems are what they claim: they parse, and name what there is."""

import ast
import configparser
import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

import pytest

from amd.adapters.ami_wire import check_variable
from amd.adapters.l16 import MIXES
from amd.adapters.systems import SYSTEMS
from amd.audio import check_rate

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {  # those of `callback` are read by test_callback_pages.py
    path.stem: path.read_text()
    for path in sorted((DOCS / "systems").glob("*.md"))
    if not path.stem.endswith("-callback")
}
SYSTEM_PAGES = {name: text for name, text in PAGES.items() if name != "README"}
EVERY = {**PAGES, "webhooks": (DOCS / "webhooks.md").read_text()}
OF = {
    "genesys": ["audiohook"],
    "livekit": ["eagi"],
    "pipecat": ["eagi"],
    "asterisk": ["asterisk", "audiosocket", "rtp"],
}
"""Systems of a page whose name is another; those that run in this process wait as long as EAGI does."""
SNIPPETS = [
    pytest.param(language, text, id=f"{page}-{n}-{language}")
    for page, body in EVERY.items()
    for n, (language, text) in enumerate(re.findall(r"^```(\w+)\n(.*?)^```$", body, re.MULTILINE | re.DOTALL))
]
APPLICATIONS = {
    *("Answer", "AudioSocket", "Dial", "EAGI", "GotoIf", "Hangup", "Queue", "Set"),
}
ARI = {
    "externalMedia": {"app", "external_host", "encapsulation", "transport", "format", "data"},
    "": {"endpoint", "app"},
}


def of_kind(*kinds):
    return [snippet for snippet in SNIPPETS if snippet.values[0] in kinds]


def check_address(address):
    """An address of `amd listen`: its path names a system that has a websocket."""
    url = urlsplit(address)
    assert url.scheme in ("ws", "wss")
    system = SYSTEMS[url.path.removeprefix("/")]
    assert system.websocket
    query = parse_qs(url.query)
    assert set(query) <= ({"rate", "mix"} if system.name == "freeswitch" else set())
    assert all(mix in MIXES for mix in query.get("mix", []))
    for rate in query.get("rate", []):
        check_rate(int(rate))
    return system.name


def test_every_snippet_is_of_a_language_that_is_checked():
    assert {snippet.values[0] for snippet in SNIPPETS} == {
        "dialplan",
        "http",
        "ini",
        "json",
        "python",
        "text",
        "xml",
    }
    assert all(body.count("```") % 2 == 0 for body in EVERY.values())


@pytest.mark.parametrize("name", SYSTEM_PAGES)
def test_every_page_says_what_comes_back_how_late_and_what_was_not_tried(name):
    text = SYSTEM_PAGES[name]
    delays = re.findall(r"(\d+) ms", text.partition("## Delay")[2].partition("## ")[0])
    assert "## Not tried" in text
    assert f"({name}.md)" in PAGES["README"]
    for system in (SYSTEMS[one] for one in OF.get(name, [name])):
        waits_ms = round(1000 * (system.timing.jitter_s + system.timing.packet_s))
        assert str(waits_ms) in delays
        assert system.hold_s == 0 or str(round(1000 * system.hold_s)) in delays


def test_every_system_has_a_page_with_its_path():
    told = {check_address(address) for body in EVERY.values() for address in addresses(body)}
    assert told == {name for name, system in SYSTEMS.items() if system.websocket}


def addresses(text):
    return [address.replace("&amp;", "&") for address in re.findall(r"wss?://[^\s\"<>`]+", text)]


@pytest.mark.parametrize(("language", "text"), of_kind("xml"))
def test_xml_parses_and_its_stream_goes_where_we_listen(language, text):
    root = ET.fromstring(text)  # noqa: S314 -- our own page
    assert root.tag in ("Response", "extension")
    values = [value for one in root.iter() for value in (*one.attrib.values(), one.text or "")]
    found = [address for value in values for address in addresses(value)]
    assert len(found) == 1, language
    check_address(found[0])
    if root.tag == "extension":
        (fork,) = [value for value in values if "uuid_audio_fork" in value]
        assert re.search(r"\(\$\{uuid\} start \S+ (mono|mixed|stereo) (8k|16k) \$\{uuid\}\)\}$", fork)


@pytest.mark.parametrize(("language", "text"), of_kind("json"))
def test_json_parses_and_its_stream_goes_where_we_listen(language, text):
    (found,) = addresses(json.dumps(json.loads(text)))
    assert check_address(found) in ("jambonz", "telnyx", "vonage"), language


@pytest.mark.parametrize(("language", "text"), of_kind("dialplan"))
def test_dialplan_lines_parse_and_jump_to_labels_that_are_there(language, text):
    context, first, *lines = text.strip().splitlines()
    assert re.fullmatch(r"\[\w+\]", context), language
    assert first.startswith("exten => s,1,")
    labels, jumps, variables = set(), set(), []
    for line in [first, *lines]:
        found = re.fullmatch(r"(?:exten => s,1| same => n(?:\((\w+)\))?),(\w+)\((.*)\)", line)
        assert found, line
        label, application, arguments = found.groups()
        assert application in APPLICATIONS
        for opened, closed in ("()", "[]", "{}"):
            assert arguments.count(opened) == arguments.count(closed)
        labels |= {label}
        if application == "GotoIf":
            jumps |= set(arguments.rpartition("?")[2].split(":"))
        if application == "Set":
            name, _, value = arguments.partition("=")
            check_variable(name, "x")
            variables.append((name, value))
    assert jumps == labels - {None}
    if "AudioSocket" in text:
        assert variables == [("AMDSTATUS", "NOTSURE"), ("AMDUUID", "${UUID()}")]
        assert re.search(
            r"Dial\(AudioSocket/[\d.]+:\d+/\$\{AMDUUID\}/c\(slin\),,g\)|AudioSocket\(\$\{AMDUUID\},[\d.]+:\d+\)",
            text,
        )


@pytest.mark.parametrize(("language", "text"), of_kind("ini"))
def test_settings_of_asterisk_parse(language, text):
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.read_string(text)
    section = parser["amd"]
    if "type" in section:
        assert check_address(section["uri"]) == "asterisk", language
    else:
        assert (section["read"], section["write"]) == ("dialplan", "call")
        assert section["eventfilter"] == "Variable: AMDUUID"


@pytest.mark.parametrize(("language", "text"), of_kind("http"))
def test_requests_of_ari_have_the_parameters_it_has(language, text):
    for line in text.strip().splitlines():
        method, address = line.split(" ")
        url = urlsplit(address)
        assert method == "POST", language
        assert url.path.startswith("/ari/channels/")
        known = ARI.get(url.path.rpartition("/")[2], ARI[""])
        assert set(parse_qs(url.query, strict_parsing=True)) <= known


@pytest.mark.parametrize(("language", "text"), of_kind("python"))
def test_python_parses_and_imports_what_there_is(language, text):
    tree = ast.parse(text)
    imports = [one for one in tree.body if isinstance(one, (ast.Import, ast.ImportFrom))]
    assert imports, language
    exec(compile(ast.Module(body=imports, type_ignores=[]), "page", "exec"), {})  # noqa: S102 -- our own page


def test_the_hook_of_twilios_page_is_one():
    (text,) = [snippet.values[1] for snippet in of_kind("python") if "Form.TWILIO" in snippet.values[1]]
    names = {}
    exec(text, names)  # noqa: S102 -- our own page
    assert names["hook"].account_sid.startswith("AC")


@pytest.mark.parametrize(("page", "text"), EVERY.items())
def test_links_lead_somewhere(page, text):
    for target in re.findall(r"\]\(([^)#]+)(?:#[\w-]+)?\)", text):
        folder = DOCS if page == "webhooks" else DOCS / "systems"
        assert (folder / target).is_file(), f"{page}: {target}"
