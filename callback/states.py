"""The vocabulary of a callback: what can happen to it and what came of each attempt.

A callback is one customer's place in line. Every time here is a timezone-aware UTC `datetime`.
"""

from enum import StrEnum


class Outcome(StrEnum):
    """What one attempt to reach the customer came to."""

    HUMAN = "human"  # a person answered, or a key was pressed when asked
    MACHINE = "machine"  # voicemail or an announcement answered
    FAX = "fax"
    UNSURE = "unsure"  # answered, asked to press a key, and nobody did: counts as a machine
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    NETWORK = "network"  # our own network or carrier failed: never burns a customer's attempt
    BAD_NUMBER = "bad_number"  # no such number: undeliverable
    REFUSED = "refused"  # the call was declined: at most one more attempt
    SUPPRESSED = "suppressed"  # the customer's network says never again (SIP 607, 608)
