"""Who or what answered a call: the detector's verdict, the question to press a key, a message for a machine.

The only part of `callback` that knows the detector. `Judgement` is the core, without clock or I/O; `Listener`
hears one call of a dialer and does what the core asks for.
"""

from callback.screening.decisions import Decision, Plan, ScreeningError
from callback.screening.greetings import KnownGreetings
from callback.screening.hearing import Recogniser
from callback.screening.judgement import Act, Judgement
from callback.screening.listener import Listener, warm_up

__all__ = [
    "Act",
    "Decision",
    "Judgement",
    "KnownGreetings",
    "Listener",
    "Plan",
    "Recogniser",
    "ScreeningError",
    "warm_up",
]
