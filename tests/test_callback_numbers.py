"""Numbers: read as people write them, refused with a reason, and never shown."""

import re
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback.numbers import NumberRefused, Refusal, mask, parse_number

# +1 202 555 01xx and +44 20 7946 0xxx are kept for fiction, and their plans hold them for numbers like any other.


@pytest.mark.parametrize(
    ("text", "region", "e164"),
    [
        ("(202) 555-0123", "US", "+12025550123"),
        ("+1 202-555-0123", None, "+12025550123"),
        ("1 202 555 0123", "US", "+12025550123"),
        ("020 7946 0123", "GB", "+442079460123"),
        ("+44 (0)20 7946 0123", None, "+442079460123"),
        ("00 44 20 7946 0123", "GB", "+442079460123"),
    ],
)
def test_numbers_are_read_as_people_write_them(text, region, e164):
    number = parse_number(text, region=region)
    assert number.e164 == e164
    assert parse_number(number.e164) == number


@pytest.mark.parametrize(
    ("text", "region", "reason"),
    [
        ("call me", "US", Refusal.NOT_A_NUMBER),
        ("", "US", Refusal.NOT_A_NUMBER),
        ("+", "US", Refusal.NOT_A_NUMBER),
        ("202 555 0123", None, Refusal.NO_COUNTRY),
        ("+999 123 4567", None, Refusal.NO_COUNTRY),
        ("+870 773 111 632", None, Refusal.NO_COUNTRY),  # satellites
        ("+979 123 456 789", None, Refusal.NO_COUNTRY),  # international premium rate
        ("911", "US", Refusal.EMERGENCY),
        ("+1 911", None, Refusal.EMERGENCY),
        ("999", "GB", Refusal.EMERGENCY),
        ("112", "GB", Refusal.EMERGENCY),
        ("112", "DE", Refusal.EMERGENCY),
        ("116 123", "GB", Refusal.SHORT_CODE),
        ("555-0123", "US", Refusal.WRONG_LENGTH),
        ("+1 202 555 01234", None, Refusal.WRONG_LENGTH),
        ("+44 7700 900123", None, Refusal.NOT_IN_PLAN),  # kept for fiction, and not in the plan
        ("+1 102 555 0123", None, Refusal.NOT_IN_PLAN),
        ("+1 900 555 0123", None, Refusal.PREMIUM),
        ("0909 879 0123", "GB", Refusal.PREMIUM),
        ("202 555 0123 ext. 5", "US", Refusal.EXTENSION),
    ],
)
def test_numbers_that_cannot_be_called_are_refused_with_the_reason(text, region, reason):
    with pytest.raises(NumberRefused) as caught:
        parse_number(text, region=region)
    assert caught.value.reason is reason
    assert f"({reason.value})" in str(caught.value)


def test_only_allowed_countries_are_called():
    assert parse_number("+12025550123", allowed_regions={"US", "GB"}).region == "US"
    with pytest.raises(NumberRefused) as caught:
        parse_number("+12025550123", allowed_regions={"GB"})
    assert caught.value.reason is Refusal.REGION_NOT_ALLOWED


@pytest.mark.parametrize("region", ["USA", "us", "en", ""])
def test_a_region_that_is_no_country_is_an_error_of_the_caller(region):
    with pytest.raises(ValueError, match="need a country") as caught:
        parse_number("+12025550123", region=region)
    assert not isinstance(caught.value, NumberRefused)


@given(st.from_regex(r"\+?[0-9 ().-]{3,18}", fullmatch=True), st.sampled_from([None, "US", "GB", "DE"]))
def test_no_number_is_shown_by_a_repr_or_an_error(text, region):
    digits = re.sub(r"\D", "", text)
    try:
        shown = f"{(number := parse_number(text, region=region))!r} {number}"
    except NumberRefused as refused:
        context = None if refused.__suppress_context__ else refused.__context__
        shown = f"{refused!r} {refused} {refused.__cause__} {context}"
    for start in range(len(digits) - 2):
        assert digits[start : start + 3] not in shown


def test_a_mask_keeps_two_digits_of_long_numbers_only():
    assert mask("+12025550123") == "*********23"
    assert mask("911") == "***"
    assert mask("no digits") == ""


def example_numbers():
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE):
            example = phonenumbers.example_number_for_type(region, kind)
            if example is not None:
                yield region, phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)


def test_every_country_has_numbers_that_are_called_in_zones_that_exist():
    regions = set()
    for region, e164 in example_numbers():
        number = parse_number(e164)
        regions.add(region)
        assert number.zones, region
        assert all(ZoneInfo(zone) for zone in number.zones)
    assert len(regions) >= 240


def test_a_number_of_a_whole_country_may_be_in_all_of_its_zones():
    toll_free = parse_number("+1 800 555 0123")
    assert {"America/New_York", "America/Los_Angeles", "Pacific/Honolulu"} <= set(toll_free.zones)
    assert parse_number("+1 202 555 0123").zones == ("America/New_York",)
