"""Scenes in which nobody speaks first: the network's tones and announcements, fax machines, silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import signals
from scene import Scene

NEEDS: Final = ("machine intercept",)


def sit(scene: Scene) -> None:
    """Lay a special information tone and its announcement."""
    category = scene.timing.choose("sit", scene.rng)
    gap = "sit_gap_itu_s" if category in signals.SIT_OF_E180 else "sit_gap_s"
    scene.call.play(signals.sit(category, gap_s=scene.draw(gap)), gain_db=scene.draw("tone_db"), mark="tone")
    scene.pause("after_sit_s")
    scene.say(scene.voices.whole("machine intercept", 1.0, 14.0))
    scene.pause("after_machine_s")


def _cadence(scene: Scene, name: str, law: str, mark: str) -> None:
    samples = signals.cadence(name, scene.draw(law))
    scene.call.play(samples, gain_db=scene.draw("tone_db"), mark=mark)


def busy(scene: Scene) -> None:
    """Lay a busy tone."""
    _cadence(scene, scene.timing.choose("busy", scene.rng), "tones_s", "tone")


def reorder(scene: Scene) -> None:
    """Lay a congestion tone."""
    _cadence(scene, scene.timing.choose("reorder", scene.rng), "tones_s", "tone")


def ringing(scene: Scene) -> None:
    """Lay ringback that nobody answers."""
    _cadence(scene, scene.timing.choose("ringback", scene.rng), "ringing_s", "ring")


def dial_tone(scene: Scene) -> None:
    """Lay a dial tone."""
    scene.call.play(
        signals.tone([350.0, 440.0], scene.draw("tones_s")), gain_db=scene.draw("tone_db"), mark="tone"
    )


def _answer_tone(scene: Scene, *, modulated: bool) -> None:
    samples = signals.answer_tone(scene.draw("answer_tone_s"), modulated=modulated)
    scene.call.play(samples, gain_db=scene.draw("tone_db"), mark="tone")
    scene.pause("after_machine_s")


def ced(scene: Scene) -> None:
    """Lay the tone of a fax machine that answers."""
    _answer_tone(scene, modulated=False)


def ansam(scene: Scene) -> None:
    """Lay the modulated answer tone of ITU-T V.8."""
    _answer_tone(scene, modulated=True)


def cng(scene: Scene) -> None:
    """Lay the tones of a fax machine that calls."""
    _cadence(scene, "cng", "tones_s", "tone")


def silence(scene: Scene) -> None:
    """Lay nothing."""
    scene.call.pause(scene.draw("silence_s"), digital=scene.chance("digital_silence_late"))


SCENES: Final[dict[str, Callable[[Scene], None]]] = {
    "sit": sit,
    "busy": busy,
    "reorder": reorder,
    "ringing": ringing,
    "dial_tone": dial_tone,
    "ced": ced,
    "ansam": ansam,
    "cng": cng,
    "silence": silence,
}
