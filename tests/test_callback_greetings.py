"""Greetings are kept with a number for its next call, and go when its callback is erased."""

import pytest
from callback_calls import NOON, at, book, claim, ended, number, tell

from callback.errors import UnknownCallback
from callback.states import Outcome
from callback.store.greetings import GREETINGS_MAX
from callback.work import FINGERPRINT_MAX


def test_a_greeting_is_there_at_the_next_call_and_kept_once(service):
    booked = book(service, 1)
    (claimed,) = claim(service, 1)
    dial_id = claimed.dial.id
    assert service.greetings(booked.id) == []
    assert service.keep_greeting(dial_id, b"first", now=at(5))
    assert not service.keep_greeting(dial_id, b"again", now=at(6))
    assert service.greetings(booked.id) == [b"first"]


def test_another_callback_to_the_same_number_knows_it_and_another_number_does_not(service):
    book(service, 1)
    (claimed,) = claim(service, 1)
    service.keep_greeting(claimed.dial.id, b"mine", now=at(5))
    same = service.book(number(1), queue="service", now=at(6))
    other = book(service, 2, second=7)
    assert service.greetings(same.id) == [b"mine"]
    assert service.greetings(other.id) == []


def test_the_last_few_of_a_number_are_kept(service):
    for index in range(GREETINGS_MAX + 2):
        booked = book(service, 1, second=100 * index)
        (claimed,) = claim(service, 100 * index + 1)
        dial_id = claimed.dial.id
        service.keep_greeting(dial_id, b"greeting %d" % index, now=at(100 * index + 5))
        tell(service, ended(dial_id, 100 * index + 10, Outcome.BAD_NUMBER))
    wanted = [b"greeting %d" % index for index in range(GREETINGS_MAX + 1, 1, -1)]
    assert service.greetings(booked.id) == wanted


def test_what_is_erased_is_not_known_any_more(service):
    booked = book(service, 1)
    (claimed,) = claim(service, 1)
    dial_id = claimed.dial.id
    service.keep_greeting(dial_id, b"mine", now=at(5))
    tell(service, ended(dial_id, 10, Outcome.BAD_NUMBER))
    assert service.erase(number(1), now=at(20)) == 1
    assert service.greetings(booked.id) == []
    assert not service.keep_greeting(dial_id, b"late", now=at(30))
    later = book(service, 1, second=40)
    assert service.greetings(later.id) == []


def test_an_unknown_call_and_too_much_are_refused(service):
    with pytest.raises(UnknownCallback):
        service.keep_greeting("nobody-1", b"x", now=NOON)
    for size in (0, FINGERPRINT_MAX + 1):
        with pytest.raises(ValueError, match=f"fingerprint of {size} bytes"):
            service.keep_greeting("nobody-1", bytes(size), now=NOON)
