"""One trial: one side runs one job once, in a folder of its own, in processes that end with it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import install
from postgres import Postgres
from sides import Side

HERE = Path(__file__).parent
SECONDS = 600


class Skipped(Exception):
    """Why there is no figure."""


class Place:
    """What trials need: folders, programs, and a PostgreSQL server if somebody needs one."""

    def __init__(self, work: Path, host: Path, bench: Path, guest: Path, hello: Path, quick: bool) -> None:
        self.work, self.host, self.bench, self.guest, self.hello, self.quick = work, host, bench, guest, hello, quick
        self.postgres: Postgres | None = None
        self.trials = 0

    def database(self) -> str:
        if self.postgres is None:
            self.postgres = Postgres(self.work / "postgres")
        return self.postgres.database()

    def stop(self) -> None:
        """Stops what no trial needs at the moment."""
        if self.postgres is not None:
            self.postgres.stop()

    def folder(self) -> Path:
        self.trials += 1
        folder = self.work / "trials" / str(self.trials)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


def run(place: Place, side: Side, job: str) -> list[dict]:
    """The lines that the side printed."""
    folder = place.folder()
    try:
        if side.program == "kitaru-bench":
            return library(place, folder, job)
        trial = Trial(place, side, folder)
        if job == "j6":
            return trial.killed()
        before = trial.stored()
        lines = trial.whole(job)
        if job == "j1-process":
            # The second one: the first one makes the database.
            started = time.perf_counter()
            trial.whole(job)
            took = (time.perf_counter() - started) * 1e3
            return [line(side.name, "j1", "j1_process", "ms", took)]
        if job == "j2" and not side.ours:
            lines.append(line(side.name, job, "j2_store", "B", (trial.stored() - before) / trial.steps))
        return lines
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        # A server that goes on writing what it has put off would have the next side wait for it.
        place.stop()


def line(peer: str, job: str, figure: str, unit: str, value: float) -> dict:
    return {"peer": peer, "job": job, "figure": figure, "unit": unit, "value": round(value, 3)}


def library(place: Place, folder: Path, job: str) -> list[dict]:
    if not place.bench.exists():
        raise Skipped(f"there is no {place.bench.name}: build it with `cargo build --release -p kitaru-bench`")
    command = [place.bench, place.host, place.guest, place.hello, "--disk", folder, "--peers", job]
    done = subprocess.run(
        [*map(str, command), *(["--quick"] if place.quick else [])], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        if said and "--peers" not in done.stderr and said[0].startswith("Error: kitaru-bench HOST"):
            raise Skipped("this build of kitaru-bench does not have `--peers`")
        raise Skipped(said[0] if said else f"kitaru-bench ended with code {done.returncode}")
    return [json.loads(said) for said in done.stdout.splitlines()]


class Trial:
    """The program of one side, over one folder."""

    def __init__(self, place: Place, side: Side, folder: Path) -> None:
        self.side, self.folder = side, folder
        self.program = HERE / side.program
        self.environment = os.environ | {
            "KITARU_HOST": str(place.host),
            "MEASURED_GUEST": str(place.guest),
            "JOB_DATA": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            # Nobody is to be told that this runs.
            "DO_NOT_TRACK": "1",
            "KITARU_ANALYTICS_OPT_IN": "false",
            "ZENML_ANALYTICS_OPT_IN": "false",
            "LANGSMITH_TRACING": "false",
        }
        python = sys.executable
        self.options: list[str] = []
        if side.environment:
            installed = install.Environment(place.work, side)
            if why := installed.missing():
                raise Skipped(why)
            python = str(installed.python)
            if side.node_packages:
                self.options += ["--tools", str(installed.node_programs())]
        if side.name == "kitaru":
            self.kitaru(installed)
        self.place, self.database = place, None
        if side.needs_postgres:
            self.database = url = place.database()
            self.options += ["--database", url]
            if side.environment == "absurd":
                self.call([str(installed.program("absurdctl")), "init"], {"PGDATABASE": url})
        self.lengths = dict(side.lengths)
        if place.quick:
            self.lengths = {"steps": min(100, self.lengths.get("steps", 100)), "flows": min(20, self.lengths.get("flows", 20))}
        for length, value in self.lengths.items():
            self.options += [f"--{length}", str(value)]
        self.steps = self.lengths.get("steps", 1000)
        self.python = python

    def kitaru(self, installed: install.Environment) -> None:
        """A project of Kitaru's: flows are taken from nowhere else."""
        for name in (self.side.program, "job.py"):
            shutil.copy(HERE / name, self.folder)
        self.program = self.folder / self.side.program
        home = self.folder / "home"
        home.mkdir()
        self.environment |= {"HOME": str(home), "KITARU_CONFIG_PATH": str(home / "kitaru")}
        self.call([str(installed.program("kitaru")), "init"], {})

    def call(self, command: list[str], environment: dict[str, str]) -> None:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment | environment, capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode != 0:
            raise Skipped(f"`{Path(command[0]).name}` failed: {tail(done.stderr)}")

    def start(self, job: str) -> subprocess.Popen:
        command = [self.python, str(self.program), job, "--peer", self.side.name, "--data", str(self.folder), *self.options]
        log = open(self.folder / "stderr", "a")  # noqa: SIM115: the process has it
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )

    def whole(self, job: str) -> list[dict]:
        process = self.start(job)
        try:
            said, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            raise Skipped(f"not done after {SECONDS} s") from None
        finally:
            kill(process)
        if process.returncode == 3:
            raise Skipped("it has no such job")
        if process.returncode != 0:
            raise Skipped(f"failed: {tail((self.folder / 'stderr').read_text())}")
        return [json.loads(each) for each in said.splitlines() if each.startswith('{"peer"')]

    def stored(self) -> int:
        """Bytes of what it has stored, with the logs that lie in its folder."""
        if self.database is not None:
            return self.place.postgres.size(self.database)
        files = [path for path in self.folder.rglob("*") if path.is_file() and path.relative_to(self.folder).parts[0] != "notes"]
        return sum(path.stat().st_size for path in files)

    def ran(self) -> list[str]:
        """The steps whose bodies ran, in order."""
        file = self.folder / "notes" / "steps"
        return file.read_text().split() if file.exists() else []

    def killed(self) -> list[dict]:
        """J6: all its processes are killed in the middle, and started again."""
        process = self.start("j6-start")
        until = time.monotonic() + SECONDS
        while len(self.ran()) < self.steps // 2:
            if process.poll() is not None or time.monotonic() > until:
                kill(process)
                raise Skipped(f"the flow did not come to its middle: {tail((self.folder / 'stderr').read_text())}")
            time.sleep(0.001)
        kill(process)
        before = len(self.ran())
        started = time.perf_counter()
        process = self.start("j6-resume")
        lines = []
        try:
            for said in process.stdout:
                if said.startswith('{"peer"'):
                    lines.append(json.loads(said))
                    if lines[-1]["figure"] == "completed":
                        break
            else:
                raise Skipped(f"it did not go on: {tail((self.folder / 'stderr').read_text())}")
            took = (time.perf_counter() - started) * 1e3
        finally:
            kill(process)
        counts = Counter(self.ran())
        if len(counts) != self.steps:
            raise Skipped(f"{self.steps - len(counts)} steps never ran")
        if before >= self.steps:
            raise Skipped("it was done before it was killed")
        own = [each["value"] for each in lines if each["figure"] == "j6_time"]
        repeated = sum(counts.values()) - len(counts)
        return [
            line(self.side.name, "j6", "j6_time", "ms", own[0] if own else took),
            line(self.side.name, "j6", "j6_repeated", "", repeated),
        ]


def kill(process: subprocess.Popen) -> None:
    """With everything that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def tail(text: str) -> str:
    said = [each for each in text.strip().splitlines() if each.strip()]
    return said[-1].strip()[:300] if said else "it said nothing"
