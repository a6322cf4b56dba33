"""Scenes of people who answer: one phrase, then they wait.

A short answer may be a word, a name, a phrase, or one cut from a sentence; it may come from a prompt voice too,
and an answer for a business from the same sentences that greetings are strung from. So only behaviour tells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from scene import Scene
from voices import Utterance

SHORTEST_S: Final = 0.3
NEEDS: Final = ("human name", "human word", "human phrase", "human sentence", "machine prompt")


def _source(scene: Scene) -> str:
    return "machine prompt" if scene.chance("studio_voice") else "human sentence"


def _short(scene: Scene, most_s: float) -> Utterance:
    """Draw a short answer of at most `most_s`."""
    source = _source(scene)
    kind = scene.timing.choose("short_answer", scene.rng)
    if kind == "cut" or source == "machine prompt":
        return scene.voices.cut(source, SHORTEST_S, most_s)
    return scene.voices.whole(f"human {kind}", SHORTEST_S, most_s)


def _wait(scene: Scene, last: Utterance) -> None:
    """Lay the silence of a person who waits, and may ask again."""
    if scene.chance("again"):
        scene.pause("again_s")
        word = scene.voices.part(last, SHORTEST_S, 1.5)
        if word:
            scene.say(word)
    scene.pause("wait_s")


def hello(scene: Scene) -> None:
    """Lay one short answer."""
    said = _short(scene, scene.draw("answer_s"))
    scene.say(said)
    _wait(scene, said)


def name(scene: Scene) -> None:
    """Lay a name, or what is as long."""
    studio = scene.chance("studio_voice")
    said = scene.voices.cut("machine prompt", 0.5, 1.5) if studio else scene.voices.whole("human name", 0.5, 1.5)
    scene.say(said)
    _wait(scene, said)


def hello_name(scene: Scene) -> None:
    """Lay a word, a pause, and a name or phrase of the same speaker."""
    if scene.rng.random() < 0.5:
        parts = scene.voices.pieces(_source(scene), 2, SHORTEST_S, 1.4)
    else:
        word = scene.voices.whole("human word", SHORTEST_S, 1.0)
        parts = [word, scene.voices.word_of(word.clip.group, ("human name", "human word")) or word]
    scene.string(parts)
    _wait(scene, parts[-1])


def hello_twice(scene: Scene) -> None:
    """Lay the same word twice."""
    said = _short(scene, 1.2)
    scene.say(said)
    scene.pause("twice_s")
    scene.say(said)
    _wait(scene, said)


def business(scene: Scene) -> None:
    """Lay an answer of one to three parts, up to 5 s with its pauses."""
    source, long_s, count = _source(scene), scene.draw("business_s"), int(scene.draw("business_parts"))
    share_s = (long_s - 0.5 * (count - 1)) / count
    if count == 1 or share_s < 0.9:
        said = [scene.voices.cut(source, max(1.2, 0.7 * long_s), long_s)]
    else:
        most_s = min(share_s * 1.2, (5.0 - 0.95 * (count - 1)) / count)
        said = scene.voices.pieces(source, count, min(0.7, share_s), most_s)
    scene.string(said)
    _wait(scene, said[-1])


SCENES: Final[dict[str, Callable[[Scene], None]]] = {
    "hello": hello,
    "name": name,
    "hello_name": hello_name,
    "hello_twice": hello_twice,
    "business": business,
}
