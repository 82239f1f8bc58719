"""What the programs share that run the jobs: their arguments, their lengths, and how a figure is printed.

Standard library only, because every program runs in an environment of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# What a step returns: 100 bytes.
TEXT = "x" * 100
# How often J4 is run.
SAMPLES = 5


class Job:
    """One job of one peer: what was asked for on the command line."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.name: str = arguments.job
        self.peer: str = arguments.peer
        self.data: Path = arguments.data
        self.database: str | None = arguments.database
        self.tools: Path | None = arguments.tools
        self.steps: int = arguments.steps
        self.flows: int = arguments.flows
        self.beside: int = arguments.beside

    def emit(self, figure: str, unit: str, value: float) -> None:
        """Prints one figure as a line of JSON."""
        line = {"peer": self.peer, "job": self.name, "figure": figure, "unit": unit, "value": round(value, 3)}
        print(json.dumps(line), flush=True)

    def completed(self) -> None:
        """Says that the flow has ended well; whoever started the program waits for this line."""
        self.emit("completed", "", 1)


def note(data: Path, step: int) -> None:
    """Leaves a line that says that the body of a step ran: one write, which a killed process has made or not."""
    file = os.open(data / "notes" / "steps", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{step}\n".encode())
    os.close(file)


def parse() -> Job:
    parser = argparse.ArgumentParser()
    parser.add_argument("job")
    parser.add_argument("--peer", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--database")
    parser.add_argument("--tools", type=Path)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--flows", type=int, default=200)
    parser.add_argument("--beside", type=int, default=100)
    return Job(parser.parse_args())


def milliseconds(action: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1e3


def one_at_a_time(job: Job, flow: Callable[[], object], warm: int = 5) -> None:
    """J1, one flow after the other."""
    for _ in range(warm):
        flow()
    times = [milliseconds(flow) for _ in range(job.flows)]
    job.emit("j1_p50", "ms", statistics.median(times))
    job.emit("j1_rate", "/s", 1e3 * len(times) / sum(times))


def many_at_a_time(job: Job, flow: Callable[[], object], clients: int = 16, each: int | None = None) -> None:
    """J1, so many clients, each with one flow after the other."""
    each = each or max(1, job.flows // 4)
    start = threading.Barrier(clients + 1)

    def client() -> None:
        start.wait()
        for _ in range(each):
            flow()

    with ThreadPoolExecutor(clients) as pool:
        clients_done = [pool.submit(client) for _ in range(clients)]
        start.wait()
        started = time.perf_counter()
        for done in clients_done:
            done.result()
    job.emit("j1_rate_16", "/s", clients * each / (time.perf_counter() - started))


def beside(job: Job, times: list[float]) -> None:
    """J4: parallel steps took so many milliseconds, each time."""
    job.emit("j4_time", "ms", statistics.median(times))


def sequence(job: Job, seconds: float) -> None:
    """J2: a flow of sequential steps took so long."""
    job.emit("j2_rate", "/s", job.steps / seconds)


def cached(job: Job, seconds: float) -> None:
    """J3: all steps were served again in this time, told for 1,000 of them."""
    job.emit("j3_time", "ms", seconds * 1e3 * 1000 / job.steps)


def expect(found: object, wanted: object) -> None:
    if found != wanted:
        raise SystemExit(f"found {found!r} instead of {wanted!r}")


# The jobs, by the name of the function that a program has for each.
ALL = ("j1", "j1_process", "j2", "j3", "j4", "j5", "j6_start", "j6_resume")


def of_program(functions: dict[str, object], names: tuple[str, ...] = ALL) -> dict[str, Callable]:
    """The jobs that a program has, by their names on the command line."""
    return {name.replace("_", "-"): functions[name] for name in names if name in functions}


def run(job: Job, jobs: dict[str, Callable[[Job], None]]) -> None:
    """Runs what was asked for; a job that the peer does not have ends with code 3."""
    if job.name not in jobs:
        raise SystemExit(3)
    (job.data / "notes").mkdir(parents=True, exist_ok=True)
    jobs[job.name](job)
