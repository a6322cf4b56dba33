"""The calls of a runner: who is told what, and who is begun or taken over."""

from __future__ import annotations

from callback.dialing import Answered, Ended, Update
from callback.runner.desk import Desk
from callback.runner.handling import Handling
from callback.runner.messages import Ask, Stage
from callback.states import Callback, State
from callback.transacting import Done

STAGES = {
    State.DIALING: Stage.CLAIMED,
    State.DETECTING: Stage.SCREENING,
    State.REJOINED: Stage.HOLDING,
    State.CONNECTED: Stage.TALKING,
}


class Calls:
    """All calls that this runner holds, by their dial ids."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.held: dict[str, Handling] = {}
        self.closing = False
        """No call is taken over any more."""
        self.closed = False
        """Nothing is done any more."""

    def __len__(self) -> int:
        return len(self.held)

    def told(self, update: Update) -> None:
        """Take what the dialer tells, in the thread of the loop."""
        if self.closed:
            return
        call = self.held.get(update.dial_id)
        if call is None or call.over:
            if not isinstance(update, (Answered, Ended)) or (self.closing and isinstance(update, Answered)):
                return
            call = self._begin(Handling(self.desk, update.dial_id, stage=Stage.STRAY))
        call.post(update)

    def take(self, done: Done, asked_s: float) -> None:
        """Begin a call that was claimed, or take one over where another worker left it."""
        callback = done.callback
        stage = STAGES.get(callback.state)
        if callback.dial is None or stage is None:
            return
        if (mine := self.held.get(callback.dial.id)) is not None:
            mine.let_go()
        self._begin(Handling(self.desk, callback.dial.id, stage=stage, callback=callback, held_since_s=asked_s))

    def ask(self, agent: str, callback: Callback) -> None:
        """Let the call of a callback that was offered ask the agent."""
        if callback.dial is None:
            return
        self.desk.asked.add(agent)
        call = self.held.get(callback.dial.id)
        if call is None or call.over:
            call = self._begin(Handling(self.desk, callback.dial.id, stage=Stage.STRAY, callback=callback))
        call.post(Ask(agent=agent, callback=callback))

    def close(self) -> None:
        """Let go of all."""
        self.closing = self.closed = True
        for call in tuple(self.held.values()):
            call.let_go()

    def _begin(self, call: Handling) -> Handling:
        self.held[call.dial_id] = call
        self.desk.meter.calls(len(self.held))
        self.desk.spawn(call.run()).add_done_callback(lambda _task: self._released(call))
        return call

    def _released(self, call: Handling) -> None:
        if self.held.get(call.dial_id) is call:
            del self.held[call.dial_id]
        self.desk.meter.calls(len(self.held))
        for message in call.left():
            if isinstance(message, Ask):
                self.desk.asked.discard(message.agent)
            elif isinstance(message, Update):
                self.told(message)
