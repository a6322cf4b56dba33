"""Scenes of machines: greetings that go on, or beep; announcements that are said again.

A machine that does not beep speaks for longer than a person's answer lasts (`PERSON_MAX_S`), else nobody could
tell; one that speaks less beeps soon.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from levels import RATE_HZ
from scene import Scene
from voices import Utterance

PERSON_MAX_S: Final = 5.5
LONGEST_S: Final = 14.0
NEEDS: Final = (
    "human sentence",
    "machine prompt",
    "machine greeting",
    "machine screening",
    "machine intercept",
    "machine mailbox_full",
    "machine menu",
)
WORDS: Final = {
    "human sentence": ("human word", "human name"),
    "machine prompt": ("machine prompt", "machine digit"),
}


def _source(scene: Scene) -> str:
    return "machine prompt" if scene.chance("studio_voice") else "human sentence"


def _spoken_s(scene: Scene) -> float:
    """Return how long it took from the first word to the last."""
    return (scene.call.speech[-1][1] - scene.call.speech[0][0]) / RATE_HZ


def _end(scene: Scene, *, beeps: bool) -> None:
    """Lay the beep, if there is one, and the silence after it."""
    if not beeps:
        scene.pause("after_machine_s")
        return
    long = _spoken_s(scene) > PERSON_MAX_S
    scene.pause("beep_gap_s" if long else "short_beep_gap_s")
    scene.beep("beep_db" if long else "deciding_beep_db")
    scene.pause("after_beep_s")


def _strung(scene: Scene, source: str, *, first: bool) -> None:
    beeps = scene.chance("has_beep")
    said = scene.voices.sentences(source, scene.draw("greeting_s" if beeps else "long_greeting_s"))
    word = scene.voices.word_of(said[0].clip.group, WORDS[source]) if first else None
    if first:
        word = word or scene.voices.part(said[-1], 0.25, 0.9)
    if word:
        scene.say(word)
        scene.pause("first_pause_s")
    scene.string(said, long_pauses=True)
    _end(scene, beeps=beeps)


def personal(scene: Scene) -> None:
    """Lay a greeting strung from an ordinary speaker's sentences."""
    _strung(scene, "human sentence", first=False)


def prompts(scene: Scene) -> None:
    """Lay a greeting strung from the prompts of an exchange."""
    _strung(scene, "machine prompt", first=False)


def first_word(scene: Scene) -> None:
    """Lay a word, a pause that sounds like a person's, and the greeting."""
    _strung(scene, _source(scene), first=True)


def short_greeting(scene: Scene) -> None:
    """Lay one sentence and a beep."""
    long_s = scene.draw("short_greeting_s")
    scene.say(scene.voices.cut(_source(scene), max(1.2, 0.75 * long_s), long_s))
    _end(scene, beeps=True)


def greeting(scene: Scene) -> None:
    """Lay a whole greeting of a mailbox."""
    said = scene.voices.whole("machine greeting", 1.0, LONGEST_S)
    scene.say(said)
    _end(scene, beeps=said.length_s < PERSON_MAX_S or scene.chance("has_beep"))


def _announced(scene: Scene, kind: str, *, least_s: float) -> None:
    """Lay an announcement, again and again until it has lasted `least_s`."""
    said: Utterance = scene.voices.whole(kind, 1.0, LONGEST_S)
    scene.say(said)
    while _spoken_s(scene) < least_s:
        scene.pause("repeat_announcement_s")
        scene.say(said)


def screening(scene: Scene) -> None:
    """Lay a call screener: it asks who calls."""
    beeps = scene.chance("screening_beep")
    _announced(scene, "machine screening", least_s=0.0 if beeps else PERSON_MAX_S)
    _end(scene, beeps=beeps)


def intercept(scene: Scene) -> None:
    """Lay an announcement without SIT."""
    _announced(scene, "machine intercept", least_s=PERSON_MAX_S)
    _end(scene, beeps=False)


def mailbox_full(scene: Scene) -> None:
    """Lay the announcement that nothing can be recorded."""
    _announced(scene, "machine mailbox_full", least_s=PERSON_MAX_S)
    _end(scene, beeps=False)


def menu(scene: Scene) -> None:
    """Lay a menu of keys."""
    _announced(scene, "machine menu", least_s=PERSON_MAX_S)
    _end(scene, beeps=False)


def beep_only(scene: Scene) -> None:
    """Lay the beep of a mailbox whose greeting is empty."""
    scene.pause("beep_only_s")
    scene.beep("deciding_beep_db")
    scene.pause("after_beep_s")


SCENES: Final[dict[str, Callable[[Scene], None]]] = {
    "personal": personal,
    "prompts": prompts,
    "first_word": first_word,
    "short_greeting": short_greeting,
    "greeting": greeting,
    "screening": screening,
    "intercept": intercept,
    "mailbox_full": mailbox_full,
    "menu": menu,
    "beep_only": beep_only,
}
