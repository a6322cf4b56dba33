"""Phone numbers: read into E.164, refused with a reason when they cannot be called back, masked wherever shown.

What a number can be is asked of the numbering plans in `phonenumbers` (Google's libphonenumber, ITU-T E.164). A
plan says that a number can exist, not that anyone has it: ``+1 202 555 01xx`` is kept for fiction and passes;
Britain's ``+44 7700 900xxx``, kept for fiction as well, is left out of the plan and does not.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType, ValidationResult
from phonenumbers.timezone import time_zones_for_number

SHOWN: Final = 2
"""So many last digits stay readable: enough to tell two bookings apart, not to call anyone."""
SHORT_MAX: Final = 6
"""Of a number with no more digits, as short codes have, nothing stays readable."""
NO_ZONE: Final = "Etc/Unknown"
WORLD: Final = "001"
"""The region of numbers that belong to no country: satellites, international premium and free numbers."""


class Refusal(StrEnum):
    """Why a number is not booked."""

    NOT_A_NUMBER = "not_a_number"
    NO_COUNTRY = "no_country"  # no +, and no region to read it in; or a network of no country
    EMERGENCY = "emergency"
    SHORT_CODE = "short_code"
    WRONG_LENGTH = "wrong_length"
    NOT_IN_PLAN = "not_in_plan"  # the country gives no such numbers
    PREMIUM = "premium"
    NOT_A_PHONE = "not_a_phone"  # a pager or a mailbox
    EXTENSION = "extension"  # E.164 has none: the call would reach the switchboard
    REGION_NOT_ALLOWED = "region_not_allowed"


_SLIPS: Final[dict[Refusal, str]] = {
    Refusal.NOT_A_NUMBER: "need digits, with + and the country code or a region: a name?",
    Refusal.NO_COUNTRY: "need + and the code of a country, or a region to read it in: a satellite network?",
    Refusal.EMERGENCY: "emergency services are never called back: a wrong field?",
    Refusal.SHORT_CODE: "short codes cannot be called from outside their network: digits missing?",
    Refusal.WRONG_LENGTH: "it has too few or too many digits for its country: an area code missing, or doubled?",
    Refusal.NOT_IN_PLAN: "its country gives no such numbers: a digit mistyped?",
    Refusal.PREMIUM: "calls to it are charged at a premium: a number to be called at our cost?",
    Refusal.NOT_A_PHONE: "nobody can answer there: a pager, or a mailbox?",
    Refusal.EXTENSION: "a call reaches the switchboard, not the extension: is there a direct number?",
    Refusal.REGION_NOT_ALLOWED: "this queue does not call that country: is it missing in allowed_regions?",
}


class NumberRefused(ValueError):  # noqa: N818 - it is a verdict on the number, and reads as one
    """A number that cannot be called back; ``reason`` says why, the message shows it masked."""

    def __init__(self, reason: Refusal, text: str) -> None:
        super().__init__(f"number {mask(text) or 'without digits'} is refused ({reason.value}): {_SLIPS[reason]}")
        self.reason = reason


def mask(text: str) -> str:
    """Return a number for people and logs: its last two digits, or none when it is short.

    Examples
    --------
    >>> mask("+1 202 555 0123")
    '*********23'
    >>> mask("911")
    '***'
    """
    digits = [char for char in text if char.isdigit()]
    shown = SHOWN if len(digits) > SHORT_MAX else 0
    return "*" * (len(digits) - shown) + "".join(digits[len(digits) - shown :])


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number that can be called back; its repr is masked.

    Parameters
    ----------
    e164 : str
        ``+`` and at most 15 digits.
    region : str
        The country, ISO 3166.
    zones : tuple of str
        Time zones that the number may be in; empty when unknown. A mobile phone travels, and keeps its number
        after a move: these are where it was given out.
    """

    e164: str = field(repr=False)
    region: str
    zones: tuple[str, ...]

    def __str__(self) -> str:
        return mask(self.e164)


def parse_number(
    text: str, *, region: str | None = None, allowed_regions: Collection[str] | None = None
) -> Number:
    """Read what a customer gave, or refuse it.

    Parameters
    ----------
    text : str
        As people write it.
    region : str or None
        Country (ISO 3166) in which a number without ``+`` is read.
    allowed_regions : collection of str or None
        Countries that are called; None allows all. Few queues have reason to call the whole world, and fraud with
        numbers that pay whoever asks for the call lives on those that do.

    Raises
    ------
    NumberRefused
        With the reason.
    ValueError
        If a region is not known.

    Examples
    --------
    >>> parse_number("020 7946 0123", region="GB").e164
    '+442079460123'
    >>> parse_number("999", region="GB")
    Traceback (most recent call last):
    callback.numbers.NumberRefused: number *** is refused (emergency): emergency services are never called back: \
a wrong field?
    """
    for name in {region, *(allowed_regions or ())} - {None}:
        if name not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError(f"region {name!r} is unknown, need a country like 'US': a language, or lower case?")
    if region is not None and phonenumbers.is_emergency_number(text, region):
        raise NumberRefused(Refusal.EMERGENCY, text)
    try:
        parsed = phonenumbers.parse(text, region)
    except NumberParseException as error:
        no_country = error.error_type == NumberParseException.INVALID_COUNTRY_CODE
        raise NumberRefused(Refusal.NO_COUNTRY if no_country else Refusal.NOT_A_NUMBER, text) from None
    if reason := _refusal(parsed):
        raise NumberRefused(reason, text)
    country = phonenumbers.region_code_for_number(parsed) or ""
    if allowed_regions is not None and country not in allowed_regions:
        raise NumberRefused(Refusal.REGION_NOT_ALLOWED, text)
    zones = tuple(zone for zone in time_zones_for_number(parsed) if zone != NO_ZONE)
    e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return Number(e164=e164, region=country, zones=zones)


def _refusal(parsed: PhoneNumber) -> Refusal | None:
    """Return why a number that could be read is not called, or None."""
    country = phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    if country == WORLD:
        return Refusal.NO_COUNTRY
    national = phonenumbers.national_significant_number(parsed)
    if phonenumbers.is_emergency_number(national, country):
        return Refusal.EMERGENCY
    if not phonenumbers.is_valid_number(parsed):
        return _why_invalid(parsed)
    if parsed.extension:
        return Refusal.EXTENSION
    kind = phonenumbers.number_type(parsed)
    if kind == PhoneNumberType.PREMIUM_RATE:
        return Refusal.PREMIUM
    return Refusal.NOT_A_PHONE if kind in {PhoneNumberType.PAGER, PhoneNumberType.VOICEMAIL} else None


def _why_invalid(parsed: PhoneNumber) -> Refusal:
    if phonenumbers.is_valid_short_number(parsed):
        return Refusal.SHORT_CODE
    fits = phonenumbers.is_possible_number_with_reason(parsed) == ValidationResult.IS_POSSIBLE
    return Refusal.NOT_IN_PLAN if fits else Refusal.WRONG_LENGTH
