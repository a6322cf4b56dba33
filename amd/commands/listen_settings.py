"""What ``amd listen`` is told: flags over environment over file over defaults, each read by the same words."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from amd.adapters.access import UNPROTECTED, Network, networks_of
from amd.adapters.session import Limits
from amd.errors import PolicyError
from amd.policy import PRESETS

Address = tuple[str, int]

PREFIX: Final = "AMD_LISTEN_"
CONFIG: Final = "config"
TABLE: Final = "listen"
PORT_MAX: Final = 65_535
LOOPBACK: Final = "127.0.0.1"
YES: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
LIMITS: Final = Limits()
GROUPS: Final = {
    "what it listens on": "Addresses are a port of this machine, or host:port; port 0 is any that is free.",
    "who may connect": "Beyond this machine, websockets need TLS and tokens, and AudioSocket the networks of your "
    "Asterisk servers.",
    "what it takes on": "Each limit is of one call, but --calls.",
    "how it judges": "As for `amd classify`.",
    "where verdicts go": "Beside stdout. Secrets are in files: flags are seen by everyone on the machine.",
}


def address(text: str) -> Address:
    """Read ``9092`` or ``host:9092``."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > PORT_MAX:
        raise ValueError(f"{text!r} must be a port from 0 to {PORT_MAX}, or host:port")
    return host.strip("[]") or LOOPBACK, int(port)


def count(text: str) -> int:
    """Read a whole number from 1 on."""
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"{text!r} must be a whole number, 1 or more")
    return int(text)


def seconds(text: str) -> float:
    """Read seconds."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86_400:
        slip = ": a number alone, without its unit?" if value < 0 else ": milliseconds?"
        raise ValueError(f"{text!r} must be seconds, 0 to 86400{slip}")
    return value


def switch(text: str) -> bool:
    """Read yes or no."""
    if text.lower() not in YES:
        raise ValueError(f"{text!r} must be true or false")
    return YES[text.lower()]


def preset(text: str) -> str:
    """Read the name of a policy."""
    if text not in PRESETS:
        raise ValueError(f"{text!r} is none of {', '.join(PRESETS)}")
    return text


def form(text: str) -> str:
    """Read what a webhook is written in."""
    if text not in FORMS:
        raise ValueError(f"{text!r} is none of {', '.join(FORMS)}")
    return text


def networks(text: str) -> tuple[Network, ...]:
    """Read networks with commas between."""
    return networks_of(part for part in text.split(",") if part.strip())


def spelled_out(text: str) -> bool:
    """Read that it is meant."""
    if text != UNPROTECTED:
        raise ValueError(f"{text!r} must be {UNPROTECTED}, spelled out: it is what then holds")
    return True


def _option(
    group: str, read: Callable[[str], Any], metavar: str | None, text: str, *, reloads: bool = False
) -> dict[str, Any]:
    return {"group": group, "read": read, "metavar": metavar, "help": text, "reloads": reloads}


ON, WHO, TAKES, JUDGES, OUT = GROUPS
FORMS: Final = ("json", "twilio")
PORT: Final = "[HOST:]PORT"
MEANT: Final = "listen beyond this machine without what is missing above; it must be spelled out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the server is told. Fields are flags, keys of the file, and in capitals the environment's variables."""

    audiosocket: Address | None = field(
        default=None, metadata=_option(ON, address, PORT, "for AudioSocket of Asterisk")
    )
    websocket: Address | None = field(
        default=None, metadata=_option(ON, address, PORT, "for media websockets: /twilio, ...")
    )
    rtp: Address | None = field(
        default=None, metadata=_option(ON, address, PORT, "for RTP over UDP, of ARI's externalMedia: all calls")
    )
    metrics: Address | None = field(
        default=None, metadata=_option(ON, address, PORT, "for /metrics (Prometheus), /healthz and /readyz")
    )
    tls_certificate: Path | None = field(
        default=None, metadata=_option(WHO, Path, "FILE", "PEM, with its chain: for wss", reloads=True)
    )
    tls_key: Path | None = field(
        default=None, metadata=_option(WHO, Path, "FILE", "PEM, its key, without a password", reloads=True)
    )
    tokens: Path | None = field(
        default=None,
        metadata=_option(WHO, Path, "FILE", "one a line; a websocket must bring one of them", reloads=True),
    )
    allow: tuple[Network, ...] = field(
        default=(),
        metadata=_option(
            WHO,
            networks,
            "NETWORKS",
            "of AudioSocket and RTP, with commas: 10.1.0.0/16,192.0.2.7",
            reloads=True,
        ),
    )
    unprotected: bool = field(default=False, metadata=_option(WHO, spelled_out, UNPROTECTED, MEANT))
    calls: int = field(default=LIMITS.calls_max, metadata=_option(TAKES, count, "N", "at once"))
    idle: float = field(
        default=LIMITS.idle_max_s,
        metadata=_option(TAKES, seconds, "SECONDS", "a peer may send nothing", reloads=True),
    )
    longest: float = field(
        default=LIMITS.call_max_s, metadata=_option(TAKES, seconds, "SECONDS", "a call may last", reloads=True)
    )
    grace: float = field(
        default=LIMITS.grace_s,
        metadata=_option(TAKES, seconds, "SECONDS", "calls in flight go on when it is stopped", reloads=True),
    )
    policy: str = field(
        default="balanced", metadata=_option(JUDGES, preset, "NAME", ", ".join(PRESETS), reloads=True)
    )
    early_media: bool = field(
        default=False,
        metadata=_option(
            JUDGES,
            switch,
            None,
            "audio starts before the answer: waits count from where ringback stops",
            reloads=True,
        ),
    )
    model: Path | None = field(
        default=None, metadata=_option(JUDGES, Path, "FILE", "one that `amd train` made (default: the shipped)")
    )

    webhook: str | None = field(
        default=None, metadata=_option(OUT, str, "URL", "verdicts are POSTed there: docs/webhooks.md")
    )
    webhook_secret: Path | None = field(
        default=None, metadata=_option(OUT, Path, "FILE", "signs them: whsec_ and base64")
    )
    webhook_form: str = field(default="json", metadata=_option(OUT, form, "NAME", "json, or twilio's fields"))
    webhook_final: bool = field(
        default=False, metadata=_option(OUT, switch, None, "without verdicts that are not final")
    )
    ami: Address | None = field(
        default=None,
        metadata=_option(OUT, address, PORT, "Asterisk's manager: AMDSTATUS and AMDCAUSE of AudioSocket calls"),
    )
    ami_tls: bool = field(default=False, metadata=_option(OUT, switch, None, "the manager has TLS"))
    ari: str | None = field(
        default=None, metadata=_option(OUT, str, "URL", "the same by ARI, where the call's id is the channel's")
    )
    asterisk_user: str | None = field(
        default=None, metadata=_option(OUT, str, "NAME", "of manager.conf or ari.conf")
    )
    asterisk_secret: Path | None = field(default=None, metadata=_option(OUT, Path, "FILE", "its secret"))

    @property
    def limits(self) -> Limits:
        """Limits of the server."""
        return Limits(calls_max=self.calls, idle_max_s=self.idle, call_max_s=self.longest, grace_s=self.grace)

    def changes_that_wait(self, other: Settings) -> list[str]:
        """Names of what differs in ``other`` and is not reloaded: it needs a restart."""
        fields = [one for one in dataclasses.fields(self) if not one.metadata["reloads"]]
        return [one.name for one in fields if getattr(self, one.name) != getattr(other, one.name)]


NAMES: Final = tuple(one.name for one in dataclasses.fields(Settings))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "--config", metavar="FILE", help=f"TOML, with these options in a table [{TABLE}]; read again on SIGHUP"
    )
    groups = {name: parser.add_argument_group(name, text) for name, text in GROUPS.items()}
    for one in dataclasses.fields(Settings):
        about = one.metadata
        default = (
            f" (default: {one.default})" if isinstance(one.default, (int, float, str)) and one.default else ""
        )
        flag = f"--{one.name.replace('_', '-')}"
        if about["read"] is switch:
            groups[about["group"]].add_argument(flag, action="store_const", const="true", help=about["help"])
        else:
            groups[about["group"]].add_argument(flag, metavar=about["metavar"], help=about["help"] + default)


def settings_of(options: argparse.Namespace, environment: Mapping[str, str]) -> Settings:
    """Read what is told: a flag counts before the environment, that before the file, and that before the default.

    Raises
    ------
    PolicyError
        Naming where it stands, the value, and what it must be.
    """
    environment = {name: text for name, text in environment.items() if name.startswith(PREFIX) and text}
    for name in environment:
        _check_name(name.removeprefix(PREFIX).lower(), name, lambda known: PREFIX + known.upper())
    config = options.config or environment.get(f"{PREFIX}{CONFIG.upper()}")
    told = _of_file(Path(config)) if config else {}
    for name in NAMES:
        variable, flag = f"{PREFIX}{name.upper()}", getattr(options, name)
        if variable in environment:
            told[name] = variable, environment[variable]
        if flag is not None:
            told[name] = f"--{name.replace('_', '-')}", flag
    reads = {one.name: one.metadata["read"] for one in dataclasses.fields(Settings)}
    return Settings(**{name: _read(reads[name], where, text) for name, (where, text) in told.items()})


def _read(read: Callable[[str], Any], where: str, text: str) -> Any:
    try:
        return read(text)
    except ValueError as error:  # of `PolicyError` too
        raise PolicyError(f"{where}: {error}") from None


def _check_name(name: str, given: str, spell: Callable[[str], str]) -> None:
    """Refuse a name that is none, with the nearest that is one."""
    if name in (*NAMES, CONFIG):
        return
    near = difflib.get_close_matches(name, NAMES, n=1)
    slip = f": {spell(near[0])}?" if near else f": one of {', '.join(map(spell, NAMES))}"
    raise PolicyError(f"{given} is no option{slip}")


def _of_file(path: Path) -> dict[str, tuple[str, str]]:
    """Read a file: of each option that it has, where it stands, and its value as a flag would have it."""
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise PolicyError(f"{path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path} is no TOML: {error}: texts in quotes?") from None
    table = content.pop(TABLE, None)
    if content or not isinstance(table, dict):
        stray = f"{next(iter(content))!r} is outside of it" if content else "there is none"
        raise PolicyError(f"{path}: options belong into the table [{TABLE}], and {stray}")
    told = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        _check_name(name, f"{path}: {key}", lambda known: known.replace("_", "-"))
        told[name] = f"{path}: {key}", _as_text(path, key, value)
    if CONFIG in told:
        raise PolicyError(f"{path}: {CONFIG} is for flags and the environment: a file does not name another")
    return told


def _as_text(path: Path, key: str, value: object) -> str:
    """A value of TOML as a flag would have it."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ",".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    raise PolicyError(f"{path}: {key} is a TOML {type(value).__name__}, and must be a text, number, true or false")
