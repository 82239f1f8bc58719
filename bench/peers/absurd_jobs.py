"""The jobs in Absurd on PostgreSQL with its defaults (`fsync=on`, `synchronous_commit=on`).

The worker looks for work every 10 ms, where the default is 250 ms, and the client looks for results every 2 ms, or every 20 ms
where there are 16 of them.
"""

import asyncio
import os
import statistics
import threading
import time
from pathlib import Path

from absurd_sdk import Absurd, AsyncAbsurd

import job as jobs
from job import TEXT, Job, expect

DATA = Path()
RAN = 0
# How soon a task is taken from a worker that was killed, in seconds.
CLAIM = 2


def text() -> str:
    global RAN
    RAN += 1
    return TEXT


def sequence(params: dict, ctx) -> int:
    return sum(len(ctx.step("text", text)) for _ in range(params["steps"]))


def sequence_then_wait(params: dict, ctx) -> int:
    total = sum(len(ctx.step("text", text)) for _ in range(params["steps"]))
    ctx.await_event(params["event"])
    return total


def noted_sequence(params: dict, ctx) -> int:
    def noted(step: int) -> str:
        jobs.note(DATA, step)
        return TEXT

    return sum(len(ctx.step("noted", lambda step=step: noted(step))) for step in range(params["steps"]))


async def text_async() -> str:
    return TEXT


async def beside(params: dict, ctx) -> int:
    return sum(map(len, await asyncio.gather(*(ctx.step("text", text_async) for _ in range(params["steps"])))))


class Client:
    """A queue, and workers in threads of this process."""

    def __init__(self, job: Job, workers: int = 1, pause: float = 0.002) -> None:
        global DATA
        DATA = job.data
        self.url = job.database
        self.pause = pause
        self.kept = threading.local()
        app = self.app()
        app.create_queue()
        # Threads of one worker would share its one connection, so each has a worker of its own.
        for _ in range(workers):
            threading.Thread(target=self.work, daemon=True).start()

    def app(self) -> Absurd:
        app = Absurd(self.url, queue_name="jobs")
        for task in (sequence, sequence_then_wait, noted_sequence):
            app.register_task(task.__name__)(task)
        return app

    def work(self) -> None:
        self.app().start_worker(poll_interval=0.01, claim_timeout=CLAIM)

    def mine(self) -> Absurd:
        """A connection for each thread."""
        if not hasattr(self.kept, "app"):
            self.kept.app = self.app()
        return self.kept.app

    def spawn(self, task: str, params: dict) -> str:
        return self.mine().spawn(task, params)["task_id"]

    def result(self, task: str) -> object:
        app = self.mine()
        while True:
            found = app.fetch_task_result(task)
            if found is not None and found.state in ("completed", "failed", "cancelled"):
                expect(found.state, "completed")
                return found.result
            time.sleep(self.pause)

    def run(self, task: str, params: dict) -> object:
        return self.result(self.spawn(task, params))


def j1(job: Job) -> None:
    one = Client(job)
    jobs.one_at_a_time(job, lambda: expect(one.run("sequence", {"steps": 1}), 100))
    many = Client(job, workers=3, pause=0.02)
    jobs.many_at_a_time(job, lambda: expect(many.run("sequence", {"steps": 1}), 100))


def j1_process(job: Job) -> None:
    expect(Client(job).run("sequence", {"steps": 1}), 100)
    job.completed()


def j2(job: Job) -> None:
    client = Client(job)
    client.run("sequence", {"steps": 5})
    run = lambda: expect(client.run("sequence", {"steps": job.steps}), job.steps * 100)
    jobs.sequence(job, jobs.milliseconds(run) / 1e3)


def j3(job: Job) -> None:
    """Once its event is there, the task is claimed again, with all its checkpoints, and its body runs to its end."""
    client = Client(job, workers=0)
    app = client.mine()
    times = []
    for round_ in range(3):
        event = f"go-{round_}"
        task = client.spawn("sequence_then_wait", {"steps": job.steps, "event": event})
        app.work_batch(claim_timeout=120)
        app.emit_event(event, True)
        before = RAN
        times.append(jobs.milliseconds(lambda: app.work_batch(claim_timeout=120)) / 1e3)
        expect(RAN - before, 0)
        expect(client.result(task), job.steps * 100)
    jobs.cached(job, statistics.median(times))


def j4(job: Job) -> None:
    client = Client(job, workers=0)

    async def run() -> None:
        app = AsyncAbsurd(client.url, queue_name="jobs")
        app.register_task("beside")(beside)
        times = []
        for steps in (2, *[job.beside] * jobs.SAMPLES):
            started = time.perf_counter()
            task = (await app.spawn("beside", {"steps": steps}))["task_id"]
            await app.work_batch()
            expect((await app.fetch_task_result(task)).result, steps * 100)
            times.append((time.perf_counter() - started) * 1e3)
        # The first one is to warm up.
        jobs.beside(job, times[1:])

    asyncio.run(run())


def j5(job: Job) -> None:
    client = Client(job)
    times = []
    for round_ in range(50):
        event = f"go-{round_}"
        task = client.spawn("sequence_then_wait", {"steps": 0, "event": event})
        time.sleep(0.05)

        def answer() -> None:
            client.mine().emit_event(event, True)
            client.result(task)

        times.append(jobs.milliseconds(answer))
    job.emit("j5_p50", "ms", statistics.median(times))


def j6_start(job: Job) -> None:
    client = Client(job)
    (job.data / "task").write_text(str(client.spawn("noted_sequence", {"steps": job.steps})))
    time.sleep(600)


def j6_resume(job: Job) -> None:
    client = Client(job)
    expect(client.result((job.data / "task").read_text()), job.steps * 100)
    job.completed()


if __name__ == "__main__":
    jobs.run(jobs.parse(), jobs.of_program(globals()))
    os._exit(0)
