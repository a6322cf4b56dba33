"""The second call to a number with a voicemail: its greeting is known again, and no person is taken for it."""

import asyncio
import json

import numpy as np
import soundfile
from callback_calls import NOON, book, claim
from callback_world import play, rules
from dialer_rig import Answers, HangsUp, Rings
from generated import SAMPLES
from rig_simulated import SimulatedRig

from amd.fingerprint import Fingerprint
from callback.screening import Decision, KnownGreetings
from callback.states import Outcome, State

MACHINE = (Rings(after_s=1.0), Answers(after_s=2.0, sample="machine-01.wav"), HangsUp(after_s=60.0))
PERSON = (Rings(after_s=1.0), Answers(after_s=2.0, sample="human-02.wav"), HangsUp(after_s=25.0))


def audio(name):
    return soundfile.read(SAMPLES / name, dtype="float32")[0]


def hear(greeting, samples):
    return [greeting.hear(samples[at : at + 160]) for at in range(0, samples.size, 160)]


def decided(outcome):
    return Decision(outcome=outcome, cause="long_greeting", evidence="{}")


def test_a_greeting_of_a_machine_is_kept_and_known_again(service):
    known = KnownGreetings(service, lambda: NOON)
    booked = book(service, 1)
    (claimed,) = claim(service, 1)
    first = known(booked.id, claimed.dial.id)
    assert not any(hear(first, audio("machine-01.wav")[: 6 * 8000]))
    first.conclude(decided(Outcome.MACHINE))
    assert len(service.greetings(booked.id)) == 1
    again = known(booked.id, claimed.dial.id)
    told = hear(again, audio("machine-01.wav"))
    assert told.index(True) < 3 * 50  # before three seconds
    assert all(told[told.index(True) :])
    again.conclude(decided(Outcome.MACHINE))
    assert len(service.greetings(booked.id)) == 1
    assert not any(hear(known(booked.id, claimed.dial.id), audio("human-02.wav")))
    assert not any(hear(known(booked.id, claimed.dial.id), audio("machine-05.wav")))


def test_only_what_a_machine_said_is_kept(service):
    known = KnownGreetings(service, lambda: NOON)
    booked = book(service, 1)
    (claimed,) = claim(service, 1)
    for outcome in set(Outcome) - {Outcome.MACHINE}:
        heard = known(booked.id, claimed.dial.id)
        hear(heard, audio("machine-01.wav"))
        heard.conclude(decided(outcome))
    silent = known(booked.id, claimed.dial.id)
    hear(silent, np.zeros(5 * 8000, np.float32))
    silent.conclude(decided(Outcome.MACHINE))
    assert service.greetings(booked.id) == []


def test_a_greeting_of_another_version_is_passed_over(service):
    known = KnownGreetings(service, lambda: NOON)
    booked = book(service, 1)
    (claimed,) = claim(service, 1)
    service.keep_greeting(claimed.dial.id, b"amdf\x09later", now=NOON)
    heard = known(booked.id, claimed.dial.id)
    assert not any(hear(heard, audio("machine-01.wav")))


def test_what_is_kept_is_no_audio(service):
    known = KnownGreetings(service, lambda: NOON)
    booked = book(service, 1)
    (claimed,) = claim(service, 1)
    heard = known(booked.id, claimed.dial.id)
    samples = audio("machine-01.wav")
    hear(heard, samples)
    heard.conclude(decided(Outcome.MACHINE))
    (kept,) = service.greetings(booked.id)
    made = Fingerprint.from_bytes(kept)
    assert kept == made.to_bytes()
    assert len(kept) < samples.nbytes / 8


def test_a_runner_hangs_up_on_a_known_greeting_sooner_and_still_finds_the_person(tmp_path):
    causes = []

    async def scene(world):
        world.more["recognise"] = KnownGreetings(world.service, world.clock.now)
        for script in (MACHINE, MACHINE, PERSON):
            world.rig.will("+12025550101", *script)
        world.agents.add_agent("a-1", "sales")
        world.book()
        await world.run()
        await world.until(lambda: world.get().ended, "the end")
        assert world.get().state is State.COMPLETED
        causes.extend((one.outcome, one.cause, json.loads(one.evidence)) for one in world.attempts())

    asyncio.run(play(SimulatedRig(), str(tmp_path / "callbacks.db"), scene, rules=rules(attempts_max=3)))
    (first, second, third) = causes
    assert (first[0], second[0], third[0]) == (Outcome.MACHINE, Outcome.MACHINE, Outcome.HUMAN)
    assert first[1] != "known_greeting"
    assert second[1] == "known_greeting"
    assert third[1] != "known_greeting"
    assert 0 < second[2]["recognised_s"] < 10
