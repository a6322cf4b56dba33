"""What a service is set up with: a TOML file in which an unknown word is an error."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, StringConstraints, ValidationError, field_validator

from callback.errors import CallbackError
from callback.estimate import Service
from callback.hours import Calendar, Hours, HoursError, zone_of
from callback.notices import Target, secret_of
from callback.planning import Rules
from callback.regulation import PRESETS, US_TCPA, regulation

QueueName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$")]
"""Starts with a letter: it becomes a label of a metric, and no number may become one."""


class SettingsError(CallbackError, ValueError):
    """A file of settings that cannot be used; the message says where and why."""


class Strict(BaseModel):
    """A part of the settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(Strict):
    """What one client may ask, and what one request may take."""

    rate_per_s: float = Field(default=10.0, gt=0, le=100_000)
    burst: int = Field(default=40, ge=1, le=1_000_000)
    body_max_bytes: int = Field(default=16_384, ge=256, le=1_048_576)
    body_max_s: float = Field(default=10.0, gt=0, le=120)
    answer_max_s: float = Field(default=15.0, gt=0, le=120)
    streams_max: int = Field(default=100, ge=1, le=10_000)


class Staff(Strict):
    """Who serves a queue, where no adapter to the contact centre says so."""

    agents: int = Field(ge=1, le=100_000)
    handling_s: float = Field(gt=0, le=86_400)
    patience_s: float = Field(default=math.inf, gt=0)
    reach: float = Field(default=1.0, ge=0, le=1)

    def service(self) -> Service:
        """Return it as the estimator wants it, with every agent busy: who is free is not known."""
        return Service(
            agents=self.agents, handling_s=self.handling_s, patience_s=self.patience_s, reach=self.reach
        )


class Week(Strict):
    """The hours of the contact centre; a day left out is closed."""

    zone: str
    monday: str = ""
    tuesday: str = ""
    wednesday: str = ""
    thursday: str = ""
    friday: str = ""
    saturday: str = ""
    sunday: str = ""

    def calendar(self) -> Calendar:
        """Return it as the schedule wants it."""
        days = {name: text for name, text in self.model_dump(exclude={"zone"}).items() if text}
        return Calendar(hours=Hours.weekly(**days), zones=(self.zone,))


class RuleSettings(Strict):
    """What of `callback.planning.Rules` a service may be given."""

    region: str | None = None
    allowed_regions: frozenset[str] | None = None
    regulation: Literal[*PRESETS] = US_TCPA.name  # type: ignore[valid-type]
    open_s: float = Field(default=2 * 86_400.0, ge=60, le=30 * 86_400)
    hours: Week | None = None

    def rules(self) -> Rules:
        """Return the rules."""
        return Rules(
            region=self.region,
            allowed_regions=self.allowed_regions,
            regulation=regulation(cast("str", self.regulation)),
            open_s=self.open_s,
            also=(self.hours.calendar(),) if self.hours else (),
        )


class Webhook(Strict):
    """Who is told of every change. The secret is in the environment, not in the file."""

    url: HttpUrl
    secret_env: str = Field(min_length=1)
    numbers: bool = False
    give_up_h: float = Field(default=24.0, gt=0, le=24 * 30)

    def target(self, environ: Mapping[str, str]) -> Target:
        """Return it with its secret."""
        if not environ.get(self.secret_env):
            raise SettingsError(
                f"the environment has no {self.secret_env}, need a webhook's secret: not exported where this runs?"
            )
        secret = secret_of(environ[self.secret_env])
        return Target(url=str(self.url), secret=secret, numbers=self.numbers, give_up_s=3600 * self.give_up_h)


class Settings(Strict):
    """All of it. ``zone`` is that of the page's clock and of "today"."""

    zone: str = "UTC"
    hosts: tuple[str, ...] = ()
    limits: Limits = Limits()
    rules: RuleSettings = RuleSettings()
    queues: dict[QueueName, Staff | None] = {}
    webhooks: tuple[Webhook, ...] = ()

    @field_validator("zone")
    @classmethod
    def _known(cls, name: str) -> str:
        zone_of(name)
        return name

    @field_validator("queues", mode="before")
    @classmethod
    def _unstaffed(cls, queues: Any) -> Any:
        """Read an empty table as a queue of which nobody knows who serves it."""
        return {name: staff or None for name, staff in queues.items()} if isinstance(queues, dict) else queues

    def targets(self, environ: Mapping[str, str] = os.environ) -> tuple[Target, ...]:
        """Return whom to tell of changes."""
        return tuple(one.target(environ) for one in self.webhooks)


def read_settings(path: Path) -> Settings:
    """Read a file of settings.

    Raises
    ------
    SettingsError
        It is not there, is no TOML, or says something that cannot be.
    """
    try:
        found = Settings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        found.rules.rules()
    except OSError as error:
        raise SettingsError(f"settings {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings {path} are no TOML: {error}") from None
    except ValidationError as error:
        raise SettingsError(f"settings {path}: {wrong(error)}") from None
    except HoursError as error:
        raise SettingsError(f"settings {path}: rules.hours: {error}") from None
    return found


def wrong(error: ValidationError) -> str:
    """Say which settings are wrong and why, without their values: one may be a secret in the wrong place."""
    return "; ".join(
        f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False)
    )
