"""What screening makes of what the detector hears, of keys, of silence, and of the end of the call."""

import asyncio
import json
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from amd.adapters.media import Dtmf, Stopped
from amd.events import (
    Cause,
    Contradiction,
    Deadline,
    EndedBy,
    GreetingEnded,
    Party,
    SubState,
    Verdict,
    Weight,
)
from amd.policy import Until
from callback.clock import Clock
from callback.dialing import DialerDown, Media, NoMedia, NoSuchCall, Prompt
from callback.screening import Decision, Judgement, Listener, Plan, ScreeningError
from callback.screening.decisions import NETWORKS
from callback.screening.hearing import Ear
from callback.states import Outcome

SAMPLES = Path(__file__).parents[1] / "datasets" / "samples"
MESSAGE = Plan(message=True)


def verdict(party, *, final=True, cause=Cause.GREETING_THEN_SILENCE, sub_state=None, at_s=2.0, probability=0.97):
    return Verdict(
        at_s=at_s,
        known_s=at_s,
        party=party,
        sub_state=sub_state,
        cause=cause,
        probability=probability,
        final=final,
        evidence=(Weight(name="gap_s", value=0.9, log_odds=-1.5),),
    )


HUMAN = verdict(Party.HUMAN)
MACHINE = verdict(Party.MACHINE, cause=Cause.LONG_GREETING)
SILENCE = verdict(Party.SILENCE, cause=Cause.NO_SPEECH, final=False, at_s=5.0)
UNSURE = verdict(Party.UNSURE, cause=Cause.DEADLINE, at_s=7.0)
GREETING_END = GreetingEnded(at_s=6.0, known_s=6.2, by=EndedBy.BEEP)


def judge(*told, plan=None, **facts):
    judgement = Judgement(plan or Plan(), now_s=0.0, **facts)
    return judgement, judgement.take(told, 2.0)


def outcomes(acts):
    return [(str(act.outcome), act.cause) if isinstance(act, Decision) else str(act) for act in acts]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (HUMAN, [("human", "greeting_then_silence")]),
        (MACHINE, [("machine", "long_greeting")]),
        (verdict(Party.FAX, cause=Cause.FAX_TONE), [("fax", "fax_tone")]),
        (SILENCE, ["press_one"]),
        (UNSURE, ["press_one"]),
        (verdict(Party.HUMAN, final=False), []),  # the campaign does not act early
        (verdict(Party.MACHINE, final=False), []),
        (verdict(Party.NETWORK, cause=Cause.BUSY, sub_state=SubState.BUSY), [("busy", "busy")]),
        (
            verdict(Party.NETWORK, cause=Cause.SIT, sub_state=SubState.SIT_VACANT_CODE),
            [("bad_number", "sit")],
        ),
        (verdict(Party.NETWORK, cause=Cause.SIT), [("no_answer", "sit")]),
    ],
)
def test_a_verdict_becomes_a_decision_or_a_question(told, expected):
    _, acts = judge(told)
    assert outcomes(acts) == expected


def test_every_tone_of_the_network_means_something_and_none_means_a_person():
    tones = {state for state in SubState if state.value.startswith("sit")}
    assert tones | {SubState.BUSY, SubState.REORDER, SubState.RINGBACK, SubState.DIAL_TONE} == set(NETWORKS)
    assert not {Outcome.HUMAN, Outcome.MACHINE, Outcome.UNSURE} & set(NETWORKS.values())


def test_who_acts_early_acts_on_an_early_person_but_never_on_an_early_machine():
    fast = Plan(policy="fast")
    assert outcomes(judge(verdict(Party.HUMAN, final=False), plan=fast)[1]) == [("human", "greeting_then_silence")]
    assert judge(verdict(Party.MACHINE, final=False), plan=fast)[1] == ()


def test_what_speaks_against_a_person_later_is_kept_and_undoes_nothing():
    judgement, (decision,) = judge(verdict(Party.HUMAN, final=False), plan=Plan(policy="fast"))
    against = Contradiction(
        at_s=9.0,
        known_s=9.1,
        decided=Party.HUMAN,
        suggested=Party.MACHINE,
        cause=Cause.BEEP,
        probability=0.99,
    )
    assert judgement.take((MACHINE, against), 9.0) == ()
    assert judgement.hung_up() is decision
    assert decision.person
    kept = json.loads(judgement.evidence())
    assert [one["party"] for one in kept["against"]] == ["machine", "machine"]
    assert kept["party"] == "human"
    assert "against" not in json.loads(decision.evidence)


def test_a_key_counts_once_it_was_asked_for():
    judgement, acts = judge()
    assert judgement.press(1.0) == acts == ()
    assert outcomes(judgement.take((SILENCE,), 5.0)) == ["press_one"]
    assert outcomes(judgement.press(5.5)) == [("human", "pressed")]
    assert judgement.press(6.0) == ()


def test_a_key_may_come_with_the_media():
    judgement, _ = judge(SILENCE)
    assert outcomes(judgement.take((Dtmf(digit="1"),), 6.0)) == [("human", "pressed")]
    assert "1" not in str(json.loads(judgement.evidence()).get("pressed", ""))


def test_silence_after_the_question_is_unsure():
    judgement, _ = judge(SILENCE, plan=Plan(press_wait_s=8.0))
    assert judgement.played(Prompt.PRESS_ONE, 9.0) == ()
    assert judgement.tick(16.9) == ()
    assert outcomes(judgement.tick(17.0)) == [("unsure", "no_key")]
    assert judgement.tick(99.0) == ()


@pytest.mark.parametrize(("told", "outcome"), [(HUMAN, "human"), (MACHINE, "machine")])
def test_who_speaks_after_the_question_is_judged_by_it(told, outcome):
    judgement, _ = judge(SILENCE)
    assert [str(act.outcome) for act in judgement.take((told,), 7.0)] == [outcome]


def test_nothing_is_waited_for_for_ever():
    judgement, _ = judge(plan=Plan(listen_max_s=30.0))
    assert judgement.tick(29.9) == ()
    assert outcomes(judgement.tick(30.0)) == ["press_one"]
    judgement, _ = judge(MACHINE, plan=Plan(message=True, message_wait_s=20.0))
    assert outcomes(judgement.tick(22.0)) == [("machine", "long_greeting")]


def test_a_message_is_left_after_the_greeting_and_the_machine_hung_up_on_after_the_message():
    judgement, acts = judge(MACHINE, plan=MESSAGE)
    assert acts == ()
    assert outcomes(judgement.take((GREETING_END,), 6.2)) == ["message"]
    (decision,) = judgement.played(Prompt.MESSAGE, 12.0)
    assert decision.outcome is Outcome.MACHINE
    found = json.loads(decision.evidence)
    assert (found["message"], found["greeting_ended"]) == ("left", {"by": "beep", "at_s": 6.0})


def test_no_message_is_left_on_a_greeting_that_does_not_end():
    judgement, _ = judge(MACHINE, plan=MESSAGE)
    limit = Deadline(at_s=120.0, known_s=120.0, what="greeting_end", limit_s=120.0)
    (decision,) = judgement.take((limit, GREETING_END), 120.0)
    assert json.loads(decision.evidence)["message"].startswith("none")


def test_no_message_is_left_when_the_greeting_s_end_is_the_call_s():
    judgement, _ = judge(MACHINE, plan=MESSAGE)
    assert judgement.take((Stopped(reason="hangup"), GREETING_END), 6.0) == ()
    assert judgement.hung_up().outcome is Outcome.MACHINE


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        ((), Outcome.UNSURE),
        ((verdict(Party.HUMAN, cause=Cause.AUDIO_ENDED),), Outcome.HUMAN),
        ((verdict(Party.MACHINE, cause=Cause.AUDIO_ENDED),), Outcome.MACHINE),
        ((verdict(Party.UNSURE, cause=Cause.AUDIO_ENDED),), Outcome.UNSURE),
        ((verdict(Party.SILENCE, cause=Cause.AUDIO_ENDED),), Outcome.UNSURE),
        ((verdict(Party.NETWORK, cause=Cause.RINGBACK, sub_state=SubState.RINGBACK),), Outcome.NO_ANSWER),
    ],
)
def test_a_call_that_ends_before_the_verdict_is_judged_on_what_there_was(told, outcome):
    judgement, _ = judge()
    assert judgement.hung_up(told).outcome is outcome


def test_the_end_of_the_stream_is_no_person_yet():
    """The verdict that it forces must not bring an agent to a call that is over."""
    judgement, acts = judge(Stopped(reason="hangup"), verdict(Party.HUMAN, cause=Cause.AUDIO_ENDED))
    assert acts == ()
    assert judgement.hung_up().outcome is Outcome.HUMAN


def test_audio_that_is_lost_while_the_call_goes_on_leaves_what_was_heard_or_asks():
    judgement, _ = judge()
    judgement.media_ended(3.0)
    assert judgement.tick(3.5) == ()
    assert outcomes(judgement.tick(4.0)) == ["press_one"]
    judgement, _ = judge(Stopped(reason="closed"), verdict(Party.HUMAN, cause=Cause.AUDIO_ENDED))
    assert outcomes(judgement.tick(4.0)) == [("human", "audio_ended")]


def test_a_greeting_heard_before_is_a_machine_at_once_unless_a_message_waits_for_its_end():
    judgement, _ = judge()
    assert outcomes(judgement.recognised(1.0)) == [("machine", "known_greeting")]
    assert json.loads(judgement.evidence())["recognised_s"] == 1.0
    judgement, _ = judge(plan=MESSAGE)
    assert judgement.recognised(1.0) == ()
    assert judgement.take((MACHINE, GREETING_END), 6.0) == (Prompt.MESSAGE,)
    judgement, _ = judge(HUMAN)
    assert judgement.recognised(3.0) == ()


def test_evidence_is_numbers_and_what_the_dialer_knew():
    _, (decision,) = judge(HUMAN, ring_s=4.5)
    found = json.loads(decision.evidence)
    assert found["weights"] == {"gap_s": [0.9, -1.5]}
    assert (found["ring_s"], found["policy"], found["known_s"]) == (4.5, "balanced", 2.0)
    assert decision.verdict_s == 2.0


def told(event):
    return lambda judgement, now_s: judgement.take((event,), now_s)


STEPS = st.sampled_from(
    [
        *map(told, [HUMAN, MACHINE, SILENCE, UNSURE, GREETING_END, Stopped(reason="hangup"), Dtmf(digit="5")]),
        Judgement.tick,
        Judgement.press,
        Judgement.no_media,
        Judgement.media_ended,
        Judgement.recognised,
        lambda judgement, now_s: judgement.played(Prompt.PRESS_ONE, now_s),
        lambda judgement, now_s: judgement.played(Prompt.MESSAGE, now_s),
    ]
)


@given(st.lists(st.tuples(STEPS, st.floats(0, 20)), max_size=25), st.booleans())
def test_whatever_comes_there_is_one_decision_and_nothing_after_it(steps, message):
    judgement, now_s, decisions = Judgement(Plan(message=message), now_s=0.0), 0.0, []
    for step, wait_s in steps:
        now_s += wait_s
        acts = step(judgement, now_s)
        assert not (decisions and acts)
        decisions += [act for act in acts if isinstance(act, Decision)]
    assert len(decisions) <= 1
    last = judgement.hung_up()
    assert decisions in ([], [last])
    json.loads(judgement.evidence())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"policy": "quick"}, "there are: balanced"),
        ({"press_wait_s": 8000.0}, "milliseconds"),
        ({"media_wait_s": 0.0}, "not within"),
    ],
)
def test_a_plan_that_cannot_be_says_why(wrong, words):
    with pytest.raises(ScreeningError, match=words):
        Plan(**wrong)


def test_who_leaves_messages_follows_greetings_to_their_end():
    assert Plan(policy="protect_humans", message=True).rule().until is Until.END
    assert Plan(policy="protect_humans").rule().until is Until.VERDICT


# ---- the listener


class Line:
    """A dialer of one call: its audio all at once, then silence; or none, or trouble first."""

    def __init__(self, sample=None, *, troubles=(), ends=True):
        self._sample = sample
        self._troubles = list(troubles)
        self._ends = ends
        self.played = []

    async def media(self, _dial_id):
        if self._troubles:
            raise self._troubles.pop(0)
        return Media(system="audiosocket", messages=self._messages())

    async def _messages(self):
        if self._sample is not None:
            sound, _ = soundfile.read(SAMPLES / self._sample, dtype="int16")
            data = np.ascontiguousarray(sound).tobytes()
            for start in range(0, len(data), 3200):
                part = data[start : start + 3200]
                yield b"\x10" + len(part).to_bytes(2, "big") + part
                await asyncio.sleep(0)
        while not self._ends:
            await asyncio.sleep(1)

    async def play(self, _dial_id, prompt):
        self.played.append(str(prompt))


async def screened(line, *, plan=None, recogniser=None, speed=1.0, press=False):
    decided = asyncio.get_running_loop().create_future()
    listener = Listener(
        line, "d-1", plan or Plan(), clock=Clock(speed=speed), tell=decided.set_result, recogniser=recogniser
    )
    listener.start()
    try:
        while press and not line.played:
            await asyncio.sleep(0)
        if press:
            listener.press()
        return await decided
    finally:
        listener.close()
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("sample", "outcome"),
    [
        ("human-02.wav", Outcome.HUMAN),
        ("machine-01.wav", Outcome.MACHINE),
        ("fax-01.wav", Outcome.FAX),
        ("network-03.wav", Outcome.BUSY),
    ],
)
def test_a_call_is_heard(sample, outcome):
    decision = asyncio.run(screened(Line(sample, ends=False)))
    assert decision.outcome is outcome
    assert decision.verdict_s > 0


def test_a_dialer_that_is_away_for_a_moment_is_asked_again():
    line = Line("human-02.wav", troubles=[DialerDown("away"), DialerDown("away")], ends=False)
    assert asyncio.run(screened(line)).person


@pytest.mark.parametrize("line", [Line(troubles=[NoMedia("none")]), Line(ends=False)], ids=["none", "silent"])
@pytest.mark.parametrize(("press", "outcome"), [(True, Outcome.HUMAN), (False, Outcome.UNSURE)])
def test_without_audio_a_key_is_asked_for(line, press, outcome):
    line.played.clear()
    again = Line(troubles=list(line._troubles), ends=line._ends)
    decision = asyncio.run(screened(again, press=press, speed=100.0))
    assert (decision.outcome, again.played) == (outcome, ["press_one"])


def test_a_call_that_is_gone_is_not_asked_anything():
    async def scene():
        line = Line(troubles=[NoSuchCall("gone")])
        listener = Listener(line, "d-1", Plan(), clock=Clock(), tell=lambda _decision: None)
        listener.start()
        await asyncio.sleep(0)
        decision = listener.hung_up()
        listener.close()
        await asyncio.sleep(0)
        return decision, line.played

    decision, played = asyncio.run(scene())
    assert (decision.outcome, decision.cause, played) == (Outcome.UNSURE, "hung_up", [])


class Known:
    """Knows every greeting after a second of it."""

    def __init__(self):
        self.n_samples = 0

    def hear(self, samples):
        assert samples.dtype == np.float32
        self.n_samples += samples.size
        return self.n_samples >= 8000

    def conclude(self, _decision):
        raise AssertionError("the runner concludes")


def test_a_greeting_that_is_known_is_a_machine_within_a_second():
    known = Known()
    decision = asyncio.run(screened(Line("machine-01.wav", ends=False), recogniser=known))
    assert (decision.outcome, decision.cause) == (Outcome.MACHINE, "known_greeting")
    assert known.n_samples < 2 * 8000


def test_a_loop_that_is_stuck_hears_no_silence(monkeypatch):
    """The same call on a machine so busy that each message is heard late: the same verdict, at the same second."""
    plain = asyncio.run(screened(Line("machine-01.wav", ends=False)))
    feed = Ear.feed

    def late(self, data, now_s):
        time.sleep(0.15)
        return feed(self, data, now_s)

    monkeypatch.setattr(Ear, "feed", late)
    busy = asyncio.run(screened(Line("machine-01.wav", ends=False)))
    assert (busy.outcome, busy.cause, busy.verdict_s) == (plain.outcome, plain.cause, plain.verdict_s)
    assert busy.outcome is Outcome.MACHINE
