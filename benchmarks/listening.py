"""``python -m benchmarks listen``: the load of many calls on one `amd listen`, over sockets of this machine.

The server is the command as users run it; the calls come from another process (`benchmarks.listening_client`), and
this one reads what the server tells. Both processes share the machine's cores. The calls are the project's
synthetic samples, each followed by silence to the end of the call.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.listening_client import FRAME_S, KINDS, RAMP_S, Plan

SAMPLE_S: Final = 1.0
"""How often memory and CPU of the server are read."""
P99_TARGET_MS: Final = 60.0
SPARE: Final = 200
"""Calls that are ending count until the last of them was told."""
CUT_OFF_FRAMES: Final = 50
"""At the end all calls are cut off at once; verdicts on their last second are no part of the latency."""
QUANTILES: Final = (50, 90, 99, 99.9, 100)


@dataclass(slots=True)
class Heard:
    """What the server told, and when it was read; how it fared."""

    verdicts: list[tuple[str, str, str, float, float]] = field(default_factory=list)
    judged: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    usage: list[tuple[float, float, float]] = field(default_factory=list)


def run(
    *,
    audiosocket: int,
    websocket: int,
    minutes: float,
    call_s: float,
    out: Path | None = None,
    profile: Path | None,
) -> dict[str, Any]:
    """Run the load, print and return the figures."""
    heard = Heard()
    command = [sys.executable, "-m", "amd", "listen", "--calls", str(audiosocket + websocket + SPARE)]
    if profile is not None:
        command[1:3] = ["-m", "cProfile", "-o", str(profile), "-m", "amd"]
    command += ["--audiosocket", "0", "--websocket", "0", "--grace", "5"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server,  # noqa: S603
    ):
        stdout, stderr = server.stdout, server.stderr
        if stdout is None or stderr is None:  # both are pipes
            raise SystemExit("no pipes")
        ports = [_port(stderr) for _ in range(2)]
        threading.Thread(target=stderr.read, daemon=True).start()
        plan = Plan(
            audiosocket=audiosocket,
            websocket=websocket,
            call_s=call_s,
            run_s=60 * minutes + min(RAMP_S, call_s),
            audiosocket_port=ports[0],
            websocket_port=ports[1],
        )
        load_before = os.getloadavg()
        reader = threading.Thread(target=_read, args=(stdout, heard), daemon=True)
        reader.start()
        sent = _drive(plan, Path(folder) / "sent.npz", server.pid, heard)
        server.send_signal(signal.SIGTERM)
        reader.join(60)
        status = server.wait(60)
    data = _figures(plan, heard, sent)
    data = {
        "command": f"python -m benchmarks listen --audiosocket {audiosocket} --websocket {websocket} "
        f"--minutes {minutes:g} --call {call_s:g}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load_average_before": [round(one, 2) for one in load_before],
        "exit_status": status,
        **data,
    }
    _print(data)
    if out is not None:
        out.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return data


def _port(stderr: IO[bytes]) -> int:
    line = stderr.readline().decode()
    if ":" not in line:
        raise SystemExit(f"the server did not start: {line}{stderr.read().decode()}")
    return int(line.rpartition(":")[2])


def _drive(plan: Plan, out: Path, pid: int, heard: Heard) -> Any:
    """Run the client; meanwhile see how the server fares."""
    command = [sys.executable, "-m", "benchmarks.listening_client", json.dumps(asdict(plan)), str(out)]
    watched = psutil.Process(pid)
    began_s = time.monotonic()
    with subprocess.Popen(command) as client:  # noqa: S603
        while client.poll() is None:
            time.sleep(SAMPLE_S)
            if not watched.is_running() or watched.status() == psutil.STATUS_ZOMBIE:
                client.kill()
                raise SystemExit("the server died")
            times = watched.cpu_times()
            rss = watched.memory_info().rss / 2**20
            heard.usage.append((time.monotonic() - began_s, times.user + times.system, rss))
        if client.returncode:
            raise SystemExit("the client failed")
    return np.load(out)


def _read(stdout: IO[bytes], heard: Heard) -> None:
    """Read what the server tells; only verdicts are parsed to the last field."""
    for text in stdout:
        now_s = time.monotonic()
        line = json.loads(text)
        heard.told[line["type"]] += 1
        if line["type"] == "verdict" and line["call_id"] is not None:
            heard.judged[line["call_id"]] += 1
            heard.verdicts.append((line["call_id"], line["system"], line["party"], line["known_s"], now_s))
        elif line["type"] == "ended":
            heard.ended[line["reason"]] += 1


def _number(call_id: str) -> int:
    return int(call_id.removeprefix("call-")) if call_id.startswith("call-") else int(call_id.replace("-", ""), 16)


def _figures(plan: Plan, heard: Heard, sent: Any) -> dict[str, Any]:
    calls, sent_s = sent["calls"], sent["sent_s"]
    late_ms: dict[str, list[float]] = {kind: [] for kind in KINDS}
    n_frames = round(plan.call_s / FRAME_S)
    for call_id, _, _, known_s, now_s in heard.verdicts:
        kind, phase, tick = calls[_number(call_id)]
        frame = min(n_frames, int(np.ceil(known_s / FRAME_S - 1e-6))) - 1
        if frame >= 0 and tick + frame < sent_s.shape[1] - CUT_OFF_FRAMES:
            late_ms[KINDS[kind]].append(1e3 * (now_s - sent_s[phase, tick + frame]))
    everything = np.concatenate([np.array(one) for one in late_ms.values()])
    everything = everything[np.isfinite(everything)]
    due_s = np.arange(sent_s.shape[1]) * FRAME_S
    slip_ms = 1e3 * (sent_s - np.nanmin(sent_s) - due_s - np.arange(len(sent_s))[:, None] / len(sent_s) * FRAME_S)
    usage = np.array(heard.usage)
    full = usage[usage[:, 0] >= min(RAMP_S, plan.call_s) + 2]
    wall_s = full[-1, 0] - full[0, 0]
    part = max(1, len(full) // 5)
    return {
        "calls_at_once": {"audiosocket": plan.audiosocket, "websocket": plan.websocket},
        "call_s": plan.call_s,
        "calls": len(calls),
        "judged": sum(f"{_name(calls, n)}" in heard.judged for n in range(len(calls))),
        "verdicts": int(everything.size),
        "late_ms": {f"p{q:g}": round(float(np.percentile(everything, q)), 1) for q in QUANTILES},
        "late_ms_p99_by_system": {
            kind: round(float(np.percentile(one, 99)), 1) for kind, one in late_ms.items() if one
        },
        "client_late_ms": {f"p{q:g}": round(float(np.nanpercentile(slip_ms, q)), 1) for q in (50, 99, 100)},
        "client": {name: int(sent[name]) for name in ("held", "broken", "refused")},
        "cores_server": round(float((full[-1, 1] - full[0, 1]) / wall_s), 2),
        "cores_client": round(float(sent["cpu_s"]) / plan.run_s, 2),
        "memory_mib": {
            "first_fifth": round(float(np.median(full[:part, 2])), 1),
            "last_fifth": round(float(np.median(full[-part:, 2])), 1),
            "most": round(float(full[:, 2].max()), 1),
        },
        "memory_mib_each_30_s": [round(float(rss), 1) for rss in usage[::30, 2]],
        "told": dict(sorted(heard.told.items())),
        "ended": dict(sorted(heard.ended.items())),
        "parties": dict(sorted(Counter(one[2] for one in heard.verdicts).items())),
    }


def _name(calls: Any, number: int) -> str:
    """Which call it is, as the server names it."""
    if KINDS[calls[number][0]] != "audiosocket":
        return f"call-{number}"
    digits = f"{number:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _print(data: dict[str, Any]) -> None:
    table = Table("what", "measured", box=None, pad_edge=False, header_style="bold")
    for name, value in data.items():
        table.add_row(name, str(value))
    Console(width=10_000).print(table)
