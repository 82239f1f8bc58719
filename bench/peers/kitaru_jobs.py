"""The jobs in Kitaru on its local stack: flows run in this process, records are in its SQLite database and values in files.

Kitaru takes flows only from the folder of its project, so this file and `job.py` are copied there. Its database keeps the
settings that Kitaru gives it. A checkpoint's cache is off except where it is what is measured.
"""

import os
import statistics
from pathlib import Path

from kitaru import KitaruClient, checkpoint, flow, wait

import job as jobs
from job import TEXT, Job, expect

DATA = Path(os.environ.get("JOB_DATA", "."))


@checkpoint(cache=False)
def text(step: int) -> str:
    return TEXT


@checkpoint(cache=True)
def cached_text(step: int) -> str:
    jobs.note(DATA, step)
    return TEXT


@checkpoint(cache=False)
def noted(step: int) -> str:
    jobs.note(DATA, step)
    return TEXT


@flow
def sequence(steps: int) -> int:
    return sum(len(text(step).load()) for step in range(steps))


@flow
def cached_sequence(steps: int) -> int:
    return sum(len(cached_text(step).load()) for step in range(steps))


@flow
def noted_sequence(steps: int) -> int:
    return sum(len(noted(step).load()) for step in range(steps))


@flow
def beside(steps: int) -> int:
    texts = [text.submit(step) for step in range(steps)]
    return sum(len(text.load()) for text in texts)


@flow
def asks() -> bool:
    # The runner leaves after a second.
    wait(schema=bool, name="go", timeout=1)
    return True


def j1(job: Job) -> None:
    flow_of_one = lambda: expect(sequence.run(1).wait(), 100)
    jobs.one_at_a_time(job, flow_of_one, warm=1)
    jobs.many_at_a_time(job, flow_of_one, each=1)


def j1_process(job: Job) -> None:
    expect(sequence.run(1).wait(), 100)
    job.completed()


def j2(job: Job) -> None:
    sequence.run(1).wait()
    jobs.sequence(job, jobs.milliseconds(lambda: expect(sequence.run(job.steps).wait(), job.steps * 100)) / 1e3)


def j3(job: Job) -> None:
    """The same flow again, with every checkpoint served from the cache."""
    cached_sequence.run(job.steps).wait()
    ran = (DATA / "notes" / "steps").stat().st_size
    jobs.cached(job, jobs.milliseconds(lambda: expect(cached_sequence.run(job.steps).wait(), job.steps * 100)) / 1e3)
    expect((DATA / "notes" / "steps").stat().st_size, ran)


def j4(job: Job) -> None:
    beside.run(1).wait()
    run = lambda: expect(beside.run(job.beside).wait(), job.beside * 100)
    jobs.beside(job, [jobs.milliseconds(run) for _ in range(jobs.SAMPLES)])


def j5(job: Job) -> None:
    client = KitaruClient()
    times = []
    for _ in range(5):
        handle = asks.run()

        def answer() -> None:
            client.executions.input(handle.exec_id, wait="go", value=True)
            client.executions.resume(handle.exec_id)
            expect(handle.wait(), True)

        times.append(jobs.milliseconds(answer))
    job.emit("j5_p50", "ms", statistics.median(times))


def j6_start(job: Job) -> None:
    noted_sequence.run(job.steps)


def j6_resume(job: Job) -> None:
    """`resume` and `retry` refuse what its runner left as running. What is left is a replay, which is a new execution.

    It begins at the last checkpoint on record, and cannot begin after it, so this one runs again.
    """
    client = KitaruClient()
    (found,) = client.executions.list(flow="noted_sequence", limit=1)
    last = len(client.executions.get(found.exec_id).checkpoints)
    replayed = noted_sequence.replay(found.exec_id, at=f"noted_{last}", wait=True)
    expect(replayed.summary.completed, 1)
    job.completed()


if __name__ == "__main__":
    jobs.run(jobs.parse(), jobs.of_program(globals()))
