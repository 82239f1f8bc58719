#!/usr/bin/env python3
"""Runs the same jobs in peers and in kitaru-host in turn, and tells the figures: lines of JSON, then a table of medians.

Python 3.11 and its standard library are all that this program itself needs.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

import install
import machine
import table
import trial
from postgres import Missing
from sides import ALL_JOBS, COMMANDS, LIBRARY, NOT_HERE, PEERS, Side

ROOT = Path(__file__).resolve().parents[2]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ", ".join(side.name for side in (*PEERS, LIBRARY, COMMANDS))
    work = Path(tempfile.gettempdir()) / "kitaru-peers"
    parser.add_argument("--work", type=Path, default=work, help="environments and data; on a real disk")
    parser.add_argument("--setup", action="store_true", help="install the peers first, by pip and npm")
    parser.add_argument("--only", action="append", metavar="JOB", help="J1 to J6; may be given several times")
    parser.add_argument("--peer", action="append", metavar="NAME", help=f"only these sides; may be given several times: {names}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the lengths")
    parser.add_argument("--table", type=Path, help="write the table to this file too")
    parser.add_argument("--page", type=Path, help="put the table in its place on this page; of whole runs only")
    parser.add_argument("--host", type=Path, default=ROOT / "target/release/kitaru-host")
    parser.add_argument("--bench", type=Path, default=ROOT / "target/release/kitaru-bench")
    guests = ROOT / "target/guests/wasm32-wasip2/release"
    parser.add_argument("--guest", type=Path, default=guests / "measured.wasm")
    parser.add_argument("--hello", type=Path, default=guests / "hello.wasm")
    asked = parser.parse_args()
    if asked.page and (asked.quick or asked.only or asked.peer):
        parser.error("a page has the figures of all sides and jobs, in their whole length")
    if asked.rounds < 1:
        parser.error("one round at least")
    return asked


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def chosen_sides(asked: argparse.Namespace) -> list[Side]:
    sides = [side for side in (*PEERS, LIBRARY, COMMANDS) if not asked.peer or side.name in asked.peer]
    if not sides:
        raise SystemExit(f"there is no such peer: {', '.join(asked.peer)}")
    return sides


def chosen_jobs(asked: argparse.Namespace) -> list[str]:
    only = [name.lower() for name in asked.only or []]
    if wrong := [name for name in only if name not in ALL_JOBS]:
        raise SystemExit(f"there is no job {', '.join(wrong)}; there are J1 to J6")
    return [job for job in ALL_JOBS if not only or job in only or job.split("-")[0] in only]


def main() -> None:
    asked = arguments()
    sides, jobs = chosen_sides(asked), chosen_jobs(asked)
    work = asked.work.absolute()
    # What is in it is run.
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    if work.stat().st_uid != os.geteuid():
        raise SystemExit(f"{work} belongs to somebody else")
    skipped: list[tuple[str, str, str]] = []
    if not asked.peer:
        skipped += [(name, "", why) for name, why in NOT_HERE.items()]
    usable = []
    for side in sides:
        if side.environment:
            environment = install.Environment(work, side)
            if asked.setup and environment.missing():
                say(f"installing {side.environment}")
            why = environment.install() if asked.setup else environment.missing()
            if why is not None:
                skipped.append((side.name, "", why))
                say(f"{side.name}: skipped: {why}")
                continue
        usable.append(side)
    ours = [path.absolute() for path in (asked.host, asked.bench, asked.guest, asked.hello)]
    place = trial.Place(work, *ours, asked.quick)
    lines: list[dict] = []
    syncs: list[float] = []
    first_load = os.getloadavg()[0]
    # Servers are stopped in any case.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        for round_ in range(asked.rounds):
            # Whoever comes first finds another machine than whoever comes after a peer that writes much.
            first = round_ % max(1, len(usable))
            order = [*usable[first:], *usable[:first]][:: -1 if round_ % 2 else 1]
            for job in jobs:
                syncs += disk(work)
                for side in order:
                    if job in side.jobs and (side.rounds is None or round_ < side.rounds):
                        measure(place, side, job, round_, lines, skipped)
    finally:
        place.stop()
    rounds = f"Medians of {asked.rounds} rounds, in which all sides ran each job in turn, in another order each time"
    rounds = rounds if asked.rounds > 1 else "One round, in which all sides ran each job in turn"
    about = f"{machine.about(place.host, work)} {rounds}. "
    about += f"Load of the machine: {first_load:.1f} at first, {os.getloadavg()[0]:.1f} at last. "
    about += f"An append of 4 KiB and `fdatasync`: {table.number(statistics.median(syncs))} µs."
    text = table.markdown(lines, skipped, about)
    print(f"\n{text}")
    if asked.table:
        asked.table.write_text(text)
    if asked.page:
        asked.page.write_text(table.placed(asked.page.read_text(), text))


def disk(folder: Path) -> list[float]:
    """Microseconds that appends of 4 KiB take to be on the disk: what any durable step waits for."""
    times = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(30):
            started = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - started) * 1e6)
    return times


def measure(
    place: trial.Place, side: Side, job: str, round_: int, lines: list[dict], skipped: list[tuple[str, str, str]]
) -> None:
    say(f"round {round_ + 1}: {job}: {side.name}")
    # What the side before has left to be written is written before.
    os.sync()
    try:
        told = trial.run(place, side, job)
    except (trial.Skipped, Missing) as why:
        skipped.append((side.name, job, str(why)))
        say(f"{side.name}: {job}: skipped: {why}")
        return
    for line in told:
        line["round"] = round_ + 1
        lines.append(line)
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
