"""Where verdicts go beside stdout: webhooks, and channel variables of Asterisk; put together from the settings."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from amd.adapters.channel_variables import Setter, VerdictSetter
from amd.adapters.manager import Manager, ManagerSettings
from amd.adapters.server import Line, Server
from amd.commands.listen_settings import Settings
from amd.errors import MissingExtraError, PolicyError

if TYPE_CHECKING:
    from amd.adapters.ari import Ari
    from amd.adapters.webhooks import Webhooks

EXTRA: Final = 'the extra adapters: pip install "amd-callback[adapters]"'
STOP_S: Final = 5.0
"""What is on its way when the server stops has so long."""


class Deliveries:
    """Take every line of a server, between `start` and `stop`.

    Parameters
    ----------
    settings : Settings
    server : Server
        Calls whose variables are set are let go by its `release`.
    tell : callable
        Given what there is to say of deliveries.
    """

    def __init__(self, settings: Settings, server: Server, tell: Callable[[Line], None]) -> None:
        self._hooks: Webhooks | None = _webhooks(settings, tell)
        self._link: Manager | Ari | None = _link(settings, tell)
        self._setter: VerdictSetter | None = None
        if self._link is not None:
            link: Setter = self._link
            until_end = server.policy.until.value == "end"
            self._setter = VerdictSetter(link, server.release, tell, until_end=until_end)

    async def start(self) -> None:
        """Begin to deliver."""
        if self._hooks is not None:
            await self._hooks.start()
        if self._link is not None:
            await self._link.start()

    def send(self, line: Line) -> None:
        """Take a line."""
        if self._hooks is not None:
            self._hooks.send(line)
        if self._setter is not None:
            self._setter.send(line)

    def counts(self) -> dict[tuple[str, str], Callable[[], int]]:
        """Return what counts deliveries, by what they are and what came of them."""
        found: dict[tuple[str, str], Callable[[], int]] = {}
        if (hooks := self._hooks) is not None:
            found |= {
                ("webhook", "sent"): lambda: hooks.n_sent,
                ("webhook", "failed"): lambda: hooks.n_failed,
                ("webhook", "dropped"): hooks.n_dropped.total,
                ("webhook", "waiting"): lambda: hooks.n_waiting,
            }
        if (setter := self._setter) is not None:
            found |= {
                ("variables", "set"): lambda: setter.n_set,
                ("variables", "failed"): setter.n_failed.total,
            }
        return found

    async def stop(self) -> None:
        """Deliver what is on its way, for a while."""
        if self._setter is not None:
            await self._setter.stop(STOP_S)
        if self._link is not None:
            await self._link.stop()
        if self._hooks is not None:
            await self._hooks.stop(STOP_S)


def secret_in(path: Path, option: str) -> str:
    """Read a secret: a file that holds nothing else.

    Raises
    ------
    PolicyError
        It cannot be read, or holds none.
    """
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise PolicyError(f"{option} {path} cannot be read: another path?") from None
    if not secret:
        raise PolicyError(f"{option} {path} is empty, and must hold a secret")
    return secret


def _webhooks(settings: Settings, tell: Callable[[Line], None]) -> Webhooks | None:
    if settings.webhook is None:
        return None
    try:
        from amd.adapters.webhooks import Webhooks  # noqa: PLC0415 -- an extra
    except ImportError as error:
        raise MissingExtraError(f"webhooks need {EXTRA}") from error
    from amd.adapters.webhook_forms import Form  # noqa: PLC0415
    from amd.adapters.webhook_settings import Hook  # noqa: PLC0415

    secret = None
    if settings.webhook_secret is not None:
        secret = secret_in(settings.webhook_secret, "--webhook-secret")
    form = Form(settings.webhook_form)
    return Webhooks(Hook(url=settings.webhook, secret=secret, form=form, early=not settings.webhook_final), tell)


def _link(settings: Settings, tell: Callable[[Line], None]) -> Manager | Ari | None:
    """Return what sets channel variables: the manager, or ARI."""
    if settings.ami is not None and settings.ari is not None:
        raise PolicyError("--ami and --ari both set the variables: one of them is enough")
    if settings.ami is None and settings.ari is None:
        return None
    if settings.asterisk_user is None or settings.asterisk_secret is None:
        raise PolicyError("--ami and --ari need --asterisk-user and --asterisk-secret: one of them is missing")
    secret = secret_in(settings.asterisk_secret, "--asterisk-secret")
    if settings.ami is not None:
        host, port = settings.ami
        tls = ssl.create_default_context() if settings.ami_tls else None
        return Manager(
            ManagerSettings(host=host, port=port, user=settings.asterisk_user, secret=secret, tls=tls), tell
        )
    try:
        from amd.adapters.ari import Ari, AriSettings  # noqa: PLC0415 -- an extra
    except ImportError as error:
        raise MissingExtraError(f"ARI needs {EXTRA}") from error
    return Ari(AriSettings(url=str(settings.ari), user=settings.asterisk_user, password=secret))
