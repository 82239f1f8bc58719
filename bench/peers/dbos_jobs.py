"""The jobs in DBOS Transact, on SQLite as it comes, on SQLite in WAL mode, or on PostgreSQL.

SQLite keeps its default `synchronous=FULL` in both modes. Messages are looked for every 10 ms, where the default is 1 s.
"""

import asyncio
import os
import sqlite3
import statistics
import time
from pathlib import Path

from dbos import DBOS, SetWorkflowID

import job as jobs
from job import TEXT, Job, expect

DATA = Path()
RAN = 0
# How long the body of the last sequence took.
BODY = 0.0


@DBOS.step()
def text(step: int) -> str:
    global RAN
    RAN += 1
    return TEXT


@DBOS.step()
async def text_async(step: int) -> str:
    return TEXT


@DBOS.step()
def noted(step: int) -> str:
    jobs.note(DATA, step)
    return TEXT


@DBOS.workflow()
def sequence(steps: int) -> int:
    global BODY
    started = time.perf_counter()
    total = sum(len(text(step)) for step in range(steps))
    BODY = time.perf_counter() - started
    return total


@DBOS.workflow()
async def beside(steps: int) -> int:
    return sum(map(len, await asyncio.gather(*(text_async(step) for step in range(steps)))))


@DBOS.workflow()
def waits() -> bool:
    return DBOS.recv("go", timeout_seconds=600)


@DBOS.workflow()
def noted_sequence(steps: int) -> int:
    return sum(len(noted(step)) for step in range(steps))


def launch(job: Job) -> None:
    global DATA
    DATA = job.data
    url = job.database
    if url is None:
        path = job.data / "dbos.sqlite"
        url = f"sqlite:///{path}"
        if job.peer.endswith("-wal"):
            # The mode is a property of the file, and stays.
            sqlite3.connect(path).execute("PRAGMA journal_mode = WAL").close()
    DBOS(
        config={
            "name": "jobs",
            "system_database_url": url,
            "log_level": "ERROR",
            "application_version": "1",
            "executor_id": "local",
            "notification_listener_polling_interval_sec": 0.01,
        }
    )
    DBOS.launch()


def j1(job: Job) -> None:
    launch(job)
    jobs.one_at_a_time(job, lambda: expect(sequence(1), 100))
    jobs.many_at_a_time(job, lambda: expect(sequence(1), 100))


def j1_process(job: Job) -> None:
    launch(job)
    expect(sequence(1), 100)
    job.completed()


def j2(job: Job) -> None:
    launch(job)
    sequence(5)
    jobs.sequence(job, jobs.milliseconds(lambda: expect(sequence(job.steps), job.steps * 100)) / 1e3)


def j3(job: Job) -> None:
    """A fork after the last step, which serves all steps from the records of the first workflow.

    A fork starts through a queue that is looked at once a second, which is no part of the time.
    """
    launch(job)
    with SetWorkflowID("first"):
        sequence(job.steps)
    times = []
    for _ in range(3):
        before = RAN
        expect(DBOS.fork_workflow("first", job.steps + 1).get_result(), job.steps * 100)
        expect(RAN - before, 0)
        times.append(BODY)
    jobs.cached(job, statistics.median(times))


def j4(job: Job) -> None:
    launch(job)

    async def run() -> None:
        await beside(2)
        times = []
        for _ in range(jobs.SAMPLES):
            started = time.perf_counter()
            expect(await beside(job.beside), job.beside * 100)
            times.append((time.perf_counter() - started) * 1e3)
        jobs.beside(job, times)

    asyncio.run(run())


def j5(job: Job) -> None:
    launch(job)
    times = []
    for _ in range(20):
        handle = DBOS.start_workflow(waits)
        time.sleep(0.05)

        def answer() -> None:
            DBOS.send(handle.workflow_id, True, "go")
            expect(handle.get_result(), True)

        times.append(jobs.milliseconds(answer))
    job.emit("j5_p50", "ms", statistics.median(times))


def j6_start(job: Job) -> None:
    launch(job)
    with SetWorkflowID("killed"):
        noted_sequence(job.steps)


def j6_resume(job: Job) -> None:
    """Launching recovers what the process left that was killed."""
    launch(job)
    expect(DBOS.retrieve_workflow("killed").get_result(), job.steps * 100)
    job.completed()


if __name__ == "__main__":
    jobs.run(jobs.parse(), jobs.of_program(globals()))
    # Background threads of the library are not waited for.
    os._exit(0)
