"""The simulated exchange as a rig: all that can go wrong between it and a dialer goes wrong in this process."""

import asyncio
from pathlib import Path

import dialer_rig as rig
from callback_calls import NOON
from dialer_rig import Mischief

from callback.clock import Clock
from callback.dialers import customers
from callback.dialers.simulated import Exchange, SimulatedDialer
from callback.dialing import DialerDown, DialInDoubt, Ended, NoMedia
from callback.states import Outcome

SAMPLES = Path(__file__).parents[1] / "datasets" / "samples"
SPEED = 25.0
AWAY_S = 2.0


def sound(sample):
    return None if sample is None else customers.read_sound(SAMPLES / sample)


def act(step):
    match step:
        case rig.Rings():
            return customers.Rings(after_s=step.after_s)
        case rig.Fails():
            return customers.Fails(after_s=step.after_s, outcome=step.outcome, cause="test")
        case rig.Answers():
            return customers.Answers(after_s=step.after_s, sound=sound(step.sample))
        case rig.Presses():
            return customers.Presses(after_s=step.after_s, key=step.key)
        case rig.HangsUp():
            return customers.HangsUp(after_s=step.after_s)
    raise TypeError(step)


class Wire(SimulatedDialer):
    """A dialer between which and the exchange things go wrong."""

    def __init__(self, exchange, mischief):
        super().__init__(exchange)
        self._mischief = mischief
        self._kept = {}
        self._away = False
        self._was_away = set()

    async def start(self, tell):
        await super().start(lambda update: self._pass_on(tell, update))

    def _pass_on(self, tell, update):
        dial_id, kept = update.dial_id, self._kept.setdefault(update.dial_id, [])
        mischief = self._mischief.get(dial_id)
        if mischief is Mischief.DUPLICATE:
            told = [update, update]
        elif mischief is Mischief.LATE or (mischief is Mischief.SHUFFLE and len(kept) % 2 == 0):
            kept.append(update)
            told = kept[::-1] if isinstance(update, Ended) else []
        elif mischief is Mischief.SHUFFLE:
            told = [update, *kept[-1:]]
            kept.append(update)
        elif self._away:
            kept.append(update)
            told = []
        else:
            told = [update]
        for one in told:
            tell(one)
        if mischief is Mischief.DISCONNECT and dial_id not in self._was_away:
            self._was_away.add(dial_id)
            self._away = True
            asyncio.get_running_loop().call_later(AWAY_S / self.exchange.clock.speed, self._come_back, tell, kept)

    def _come_back(self, tell, kept):
        self._away = False
        for update in kept:
            tell(update)

    def _reach(self):
        if self._away:
            raise DialerDown("the exchange cannot be reached")

    async def originate(self, placing):
        self._reach()
        mischief = self.exchange.next_mischief(placing.number)
        if mischief is Mischief.LOSE_REQUEST:
            raise DialInDoubt("the request is lost")
        self._mischief[placing.dial_id] = mischief
        await super().originate(placing)
        if mischief is Mischief.LOSE_REPLY:
            raise DialInDoubt("the reply is lost")

    async def media(self, dial_id):
        self._reach()
        if self._mischief.get(dial_id) is Mischief.NO_MEDIA:
            self.exchange.answered(dial_id)
            raise NoMedia("no audio comes")
        return await super().media(dial_id)

    async def play(self, dial_id, prompt):
        self._reach()
        await super().play(dial_id, prompt)

    async def bridge(self, dial_id, leg):
        self._reach()
        await super().bridge(dial_id, leg)

    async def hang_up(self, dial_id):
        self._reach()
        await super().hang_up(dial_id)

    async def look_up(self, dial_id):
        self._reach()
        return await super().look_up(dial_id)


class Numbers(Exchange):
    """An exchange whose next calls are written down by number."""

    def __init__(self, speed):
        super().__init__(self._next, clock=Clock(start=NOON, speed=speed))
        self._plans = {}

    def will(self, number, script, mischief):
        self._plans.setdefault(number, []).append((script, mischief))

    def next_mischief(self, number):
        plans = self._plans.get(number, [])
        mischief = plans[0][1] if plans else None
        if mischief is Mischief.LOSE_REQUEST:
            plans.pop(0)
        return mischief

    def _next(self, number):
        plans = self._plans.get(number, [])
        script, mischief = plans.pop(0) if plans else ((customers.Rings(),), None)
        if mischief is Mischief.REJECT:
            return (customers.Fails(outcome=Outcome.NETWORK, cause="rejected"),)
        return script


class SimulatedRig:
    """One exchange, which outlives its dialers."""

    name = "simulated"
    speed = SPEED
    fakes = frozenset(Mischief)

    def __init__(self):
        self.exchange = Numbers(self.speed)
        self._mischief = {}
        self.dialer = Wire(self.exchange, self._mischief)

    def will(self, number, *steps, mischief=None):
        self.exchange.will(number, tuple(map(act, steps)), mischief)

    def _lines(self, number):
        return [line for line in self.exchange.lines.values() if line.placing.number == number]

    def placed(self, number):
        return len(self._lines(number))

    def on(self, number):
        return any(line.ended is None for line in self._lines(number))

    def bridged(self, number):
        lines = self._lines(number)
        return bool(lines) and lines[-1].talked

    def played(self, number):
        lines = self._lines(number)
        return tuple(str(prompt) for prompt in lines[-1].played) if lines else ()

    def another(self):
        return Wire(self.exchange, self._mischief)

    async def start(self):
        """Nothing to start."""

    async def stop(self):
        self.exchange.close()
