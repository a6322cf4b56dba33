"""What is said to be behind an error follows from the truth of the moment of the verdict."""

from types import SimpleNamespace

import pytest

from amd import Party, SpeechEnded
from benchmarks.gallery import FIXES, behind


def error(label, party, known_s, *, speech=(), beep=(), heard_s=(), noise="white"):
    ended = [SpeechEnded(at_s=off_s, known_s=off_s + 0.3, on_s=on_s) for on_s, off_s in heard_s]
    result = SimpleNamespace(party=Party(party), known_s=known_s, events=tuple(ended))
    call = SimpleNamespace(label=Party(label), columns={"noise": noise})
    return behind(SimpleNamespace(call=call, result=result), {"speech": list(speech), "beep": list(beep)})


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (error("machine", "human", 3.0, speech=[[1, 2], [3.1, 5]], heard_s=[(1, 2)]), "a pause was taken"),
        (error("machine", "human", 3.0, speech=[[1, 2.9]], heard_s=[(1, 1.2)]), "speech before it was missed"),
        (error("machine", "human", 3.0, speech=[[1, 2]], beep=[[4, 4.5]], heard_s=[(1, 2)]), "the beep had not"),
        (
            error("machine", "human", 3.0, speech=[[1, 2]], beep=[[2.1, 2.4]], heard_s=[(1, 2)]),
            "the beep was missed",
        ),
        (error("machine", "human", 3.0, speech=[[4, 5]], heard_s=[(1, 2)]), "noise or music"),
        (error("human", "machine", 4.0, speech=[[1, 4]]), "a long answer"),
        (error("human", "machine", 4.0, speech=[[1, 2]], noise="television+hum50"), "voices or music behind"),
        (error("human", "silence", 9.0, speech=[[1, 2]]), "the word was missed"),
        (error("human", "unsure", 9.0, speech=[[1, 2]]), "neither was likely"),
        (error("network", "human", 4.0), "the network's tones"),
        (error("fax", "network", 4.0), "a tone was mistaken"),
        (error("silence", "human", 4.0), "noise or music"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_error_is_sorted_by_its_truth(found, what):
    assert found.startswith(what)
    assert found in FIXES
