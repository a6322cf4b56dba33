"""The runner: the only part of `callback` that has a clock and does things.

It claims whom the pacing allows, dials, screens, holds, offers and bridges; does what the outbox asks for; and
lets time pass for all timers. Several may run on one store.
"""

from callback.runner.campaign import Campaign
from callback.runner.desk import Notifier, Recognise
from callback.runner.runner import Runner

__all__ = ["Campaign", "Notifier", "Recognise", "Runner"]
