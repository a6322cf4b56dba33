"""The core of screening: events of the detector, keys and time in; what to play, and at last a decision, out."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import Enum, auto
from typing import Any, Final

from amd.adapters.call import Told
from amd.adapters.media import Dtmf, Stopped
from amd.events import Contradiction, Deadline, GreetingEnded, Party, Verdict
from callback.dialing import Prompt
from callback.screening.decisions import Decision, Plan, evidence_of, outcome_of
from callback.states import Outcome

Act = Prompt | Decision
"""What is to be done: a prompt to play, or the decision to report."""
NOTHING: Final[tuple[Act, ...]] = ()


class Phase(Enum):
    """How far screening is."""

    LISTENING = auto()
    ASKING = auto()  # the question to press a key is being played
    AWAITING_KEY = auto()
    AWAITING_END = auto()  # of a machine's greeting, to leave a message
    LEAVING = auto()  # the message is being played
    DECIDED = auto()


class Judgement:
    """Decide about one answered call.

    Every method takes the time in seconds, of any clock that does not go back, and returns what is to be done. The
    decision comes once; what speaks against it later is kept with the evidence, and undoes nothing.

    Parameters
    ----------
    plan : Plan
    now_s : float
    facts : mapping, optional
        What else is known (``ring_s``); kept with the evidence.

    Examples
    --------
    Nothing can be heard, so the question is asked, and a key is pressed:

    >>> judgement = Judgement(Plan(), now_s=0.0)
    >>> judgement.no_media(0.1), judgement.played(Prompt.PRESS_ONE, 4.0)
    ((<Prompt.PRESS_ONE: 'press_one'>,), ())
    >>> [(str(act.outcome), act.cause) for act in judgement.press(6.0)]
    [('human', 'pressed')]
    """

    def __init__(self, plan: Plan, *, now_s: float, **facts: Any) -> None:
        self._plan = plan
        self._facts: dict[str, Any] = {"policy": plan.policy, **facts}
        self._phase = Phase.LISTENING
        self._began_s = now_s
        self._until_s = now_s + plan.listen_max_s
        self._lost_s = math.inf
        self._verdict: Verdict | None = None
        self._against: list[dict[str, Any]] = []
        self._early = plan.rule().early_probability_min is not None
        self.decision: Decision | None = None

    @property
    def decided(self) -> bool:
        """Whether the decision was given."""
        return self._phase is Phase.DECIDED

    def take(self, told: Iterable[Told], now_s: float) -> tuple[Act, ...]:
        """Take what the call told (`amd.adapters.call.Call`)."""
        acts = NOTHING
        for event in told:
            if isinstance(event, Verdict):
                acts += self._on_verdict(event, now_s)
            elif isinstance(event, GreetingEnded):
                acts += self._on_greeting_end(event, now_s)
            elif isinstance(event, Deadline) and event.what == "greeting_end":
                acts += self._machine(message="none: the greeting does not end")
            elif isinstance(event, Contradiction):
                self._keep_against(event.suggested, str(event.cause), event.probability, event.known_s)
            elif isinstance(event, Dtmf):
                acts += self.press(now_s)
            elif isinstance(event, Stopped):  # before what the end made known
                acts += self.media_ended(now_s)
        return acts

    def tick(self, now_s: float) -> tuple[Act, ...]:
        """Let time pass; ten times a second do."""
        if now_s >= self._lost_s:
            self._lost_s = math.inf
            return self._on_lost_audio()
        if now_s < self._until_s:
            return NOTHING
        if self._phase is Phase.LISTENING:
            return self._ask()
        if self._phase is Phase.AWAITING_KEY:
            return self._decide(Outcome.UNSURE, "no_key")
        if self._phase is Phase.AWAITING_END:
            return self._machine(message="none: the greeting does not end")
        return NOTHING

    def press(self, now_s: float) -> tuple[Act, ...]:  # noqa: ARG002 -- every method takes the time
        """A key. It counts once it was asked for: machines send tones, too."""
        if self._phase not in {Phase.ASKING, Phase.AWAITING_KEY}:
            return NOTHING
        return self._decide(Outcome.HUMAN, "pressed")

    def played(self, prompt: Prompt, now_s: float) -> tuple[Act, ...]:
        """A prompt was played to its end."""
        if prompt is Prompt.PRESS_ONE and self._phase is Phase.ASKING:
            self._phase, self._until_s = Phase.AWAITING_KEY, now_s + self._plan.press_wait_s
        elif prompt is Prompt.MESSAGE and self._phase is Phase.LEAVING:
            return self._machine(message="left")
        return NOTHING

    def no_media(self, now_s: float) -> tuple[Act, ...]:  # noqa: ARG002
        """There is no audio to judge."""
        self._facts["media"] = "none"
        return self._ask() if self._phase is Phase.LISTENING else NOTHING

    def media_ended(self, now_s: float) -> tuple[Act, ...]:
        """The audio ended. The end of the call follows at once, or the audio alone was lost."""
        self._lost_s = now_s + self._plan.lost_wait_s
        return NOTHING

    def recognised(self, now_s: float) -> tuple[Act, ...]:
        """A greeting that a machine of this number played before."""
        self._facts["recognised_s"] = round(now_s - self._began_s, 1)
        if self._plan.message or self._phase not in {Phase.LISTENING, Phase.ASKING, Phase.AWAITING_KEY}:
            return NOTHING  # to leave a message, its end is to be heard
        return self._decide(Outcome.MACHINE, "known_greeting")

    def hung_up(self, told: Iterable[Told] = ()) -> Decision:
        """The call is over: return the decision, on what there was if there is none yet.

        Parameters
        ----------
        told : iterable
            What the end of the audio made known.
        """
        for event in told:
            if isinstance(event, Verdict) and self.decision is None:
                self._verdict = event
        if self.decision is None:
            asked = self._phase in {Phase.ASKING, Phase.AWAITING_KEY}
            verdict = self._verdict
            outcome = outcome_of(verdict)
            known = verdict is not None and outcome is not Outcome.UNSURE
            cause = str(verdict.cause) if verdict is not None and known else "hung_up"
            self._facts["hung_up"] = "asked" if asked else self._phase.name.lower()
            if self._phase is Phase.LEAVING:
                self._facts["message"] = "cut off"
            self._decide(outcome, cause)
        if self.decision is None:
            raise AssertionError("a decision was just given")
        return self.decision

    def evidence(self) -> str:
        """Return the evidence as it is now, with what came after the decision."""
        return evidence_of(self._verdict, **self._facts, against=self._against)

    def _on_verdict(self, verdict: Verdict, now_s: float) -> tuple[Act, ...]:
        if self.decided:
            if self.decision is not None and self.decision.outcome is not outcome_of(verdict):
                self._keep_against(verdict.party, str(verdict.cause), verdict.probability, verdict.known_s)
            return NOTHING
        self._verdict = verdict
        match verdict.party:
            case Party.SILENCE | Party.UNSURE:
                return self._ask() if self._phase is Phase.LISTENING and self._lost_s == math.inf else NOTHING
            case Party.HUMAN if self._lost_s == math.inf and (verdict.final or self._early):
                return self._decide(Outcome.HUMAN, str(verdict.cause))
            case Party.MACHINE if verdict.final and self._lost_s == math.inf:
                return self._on_machine(now_s)
            case Party.FAX | Party.NETWORK if verdict.final:
                return self._decide(outcome_of(verdict), str(verdict.cause))
        return NOTHING

    def _on_machine(self, now_s: float) -> tuple[Act, ...]:
        if not self._plan.message:
            return self._machine()
        self._phase, self._until_s = Phase.AWAITING_END, now_s + self._plan.message_wait_s
        return NOTHING

    def _on_greeting_end(self, ended: GreetingEnded, now_s: float) -> tuple[Act, ...]:  # noqa: ARG002
        if self._phase is not Phase.AWAITING_END or self._lost_s < math.inf:
            return NOTHING
        self._phase = Phase.LEAVING
        self._facts["greeting_ended"] = {"by": str(ended.by), "at_s": round(ended.at_s, 3)}
        return (Prompt.MESSAGE,)

    def _on_lost_audio(self) -> tuple[Act, ...]:
        if self._phase is Phase.AWAITING_END:
            return self._machine(message="none: the audio was lost")
        if self._phase is not Phase.LISTENING:
            return NOTHING
        self._facts["media"] = "lost"
        verdict = self._verdict
        if verdict is not None and verdict.party in {Party.HUMAN, Party.MACHINE}:
            return self._decide(outcome_of(verdict), str(verdict.cause))
        return self._ask()

    def _ask(self) -> tuple[Act, ...]:
        self._phase, self._until_s = Phase.ASKING, math.inf
        self._facts["asked"] = True
        return (Prompt.PRESS_ONE,)

    def _machine(self, *, message: str | None = None) -> tuple[Act, ...]:
        if self.decided:
            return NOTHING
        if message is not None:
            self._facts["message"] = message
        return self._decide(
            Outcome.MACHINE, "known_greeting" if self._verdict is None else str(self._verdict.cause)
        )

    def _decide(self, outcome: Outcome, cause: str) -> tuple[Act, ...]:
        self._phase, self._until_s = Phase.DECIDED, math.inf
        verdict = self._verdict
        heard = verdict is not None and cause == str(verdict.cause)
        self.decision = Decision(
            outcome=outcome,
            cause=cause,
            evidence=self.evidence(),
            verdict_s=verdict.known_s if verdict is not None and heard else None,
        )
        return (self.decision,)

    def _keep_against(self, party: Party, cause: str, probability: float, known_s: float) -> None:
        said = {"party": str(party), "cause": cause, "probability": round(probability, 4)}
        self._against.append({**said, "known_s": round(known_s, 3)})
