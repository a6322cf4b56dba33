"""What every dialer checks of a call before it goes into a command or an address of a telephone system."""

from __future__ import annotations

import re
from typing import Final

_NUMBER: Final = re.compile(r"\+[1-9][0-9]{2,14}")
_DIAL_ID: Final = re.compile(r"[A-Za-z0-9-]{1,128}")


def check_number(number: str) -> str:
    """Return the number; it is in no message.

    Raises
    ------
    ValueError
    """
    if _NUMBER.fullmatch(number) is None:
        raise ValueError(
            f"a number of {len(number)} characters is not E.164, need + and 3 to 15 digits: parse_number?"
        )
    return number


def check_dial_id(dial_id: str) -> str:
    """Return the dial id.

    Raises
    ------
    ValueError
    """
    if _DIAL_ID.fullmatch(dial_id) is None:
        raise ValueError(f"dial_id of {len(dial_id)} characters must be 1 to 128 letters, digits and '-'")
    return dial_id
