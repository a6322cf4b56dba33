"""What a runner is set up with: a TOML file in which an unknown word is an error."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from callback.hours import HoursError
from callback.runner import Campaign
from callback.running.building import RunSettingsError
from callback.screening import Plan
from callback.web.settings import QueueName, RuleSettings, wrong


class Strict(BaseModel):
    """A part of the settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class QueueSettings(Strict):
    """How one queue's calls are placed and screened: `callback.runner.Campaign`, `callback.screening.Plan`."""

    policy: str = "balanced"
    message: bool = False
    press_wait_s: float = 8.0
    ring_max_s: float = 30.0
    claims_max: int = 10
    missed_rest_s: float = 10.0

    def campaign(self, queue: str) -> Campaign:
        """Return it as the runner wants it."""
        plan = Plan(policy=self.policy, message=self.message, press_wait_s=self.press_wait_s)
        return Campaign(
            queue=queue,
            screening=plan,
            ring_max_s=self.ring_max_s,
            claims_max=self.claims_max,
            missed_rest_s=self.missed_rest_s,
        )


class RunSettings(Strict):
    """All of it. ``dialer`` and ``agents`` hold a ``kind`` and what that kind needs (`callback.running.kinds`)."""

    queues: dict[QueueName, QueueSettings] = Field(min_length=1)
    rules: RuleSettings = RuleSettings()
    dialer: dict[str, Any] = {}
    agents: dict[str, Any] = {}
    calls_max: int = Field(default=30, ge=1, le=1000)
    drain_s: float = Field(default=60.0, ge=0, le=3600)
    metrics_port: int | None = Field(default=None, ge=1, le=65_535)

    def campaigns(self) -> list[Campaign]:
        """Return how each queue is treated."""
        return [one.campaign(name) for name, one in self.queues.items()]


def read_run_settings(path: Path) -> RunSettings:
    """Read a file of settings.

    Raises
    ------
    RunSettingsError
        It is not there, is no TOML, or says something that cannot be.
    """
    try:
        return checked(tomllib.loads(path.read_text(encoding="utf-8")), f"settings {path}")
    except OSError as error:
        raise RunSettingsError(f"settings {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunSettingsError(f"settings {path} are no TOML: {error}") from None


def checked(table: Mapping[str, Any], name: str) -> RunSettings:
    """Return settings that can be followed."""
    try:
        found = RunSettings.model_validate(table)
        found.rules.rules()
    except ValidationError as error:
        raise RunSettingsError(f"{name}: {wrong(error)}") from None
    except HoursError as error:
        raise RunSettingsError(f"{name}: rules.hours: {error}") from None
    found.campaigns()
    return found
