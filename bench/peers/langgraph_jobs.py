"""The jobs in LangGraph with `SqliteSaver`, `durability="sync"`, SQLite in WAL mode with `synchronous=FULL`.

Two peers: `langgraph` is the functional API (`entrypoint` and `task`), `langgraph-graph` a `StateGraph` whose node goes around.
"""

import sqlite3
import statistics
import time
import uuid
from pathlib import Path
from typing import TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

import job as jobs
from job import TEXT, Job, expect

DATA = Path()
RAN = 0


@task
def text(step: int) -> str:
    global RAN
    RAN += 1
    return TEXT


@task
def noted(step: int) -> str:
    jobs.note(DATA, step)
    return TEXT


class State(TypedDict):
    step: int
    steps: int
    text: str


def saver(job: Job) -> SqliteSaver:
    global DATA
    DATA = job.data
    connection = sqlite3.connect(job.data / "langgraph.sqlite", check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return SqliteSaver(connection)


def config(thread: str | None = None) -> dict:
    return {"configurable": {"thread_id": thread or str(uuid.uuid4())}, "recursion_limit": 1_000_000}


class Functional:
    """Flows of the functional API."""

    def __init__(self, job: Job) -> None:
        checkpointer = saver(job)

        @entrypoint(checkpointer=checkpointer)
        def sequence(steps: int) -> int:
            return sum(len(text(step).result()) for step in range(steps))

        @entrypoint(checkpointer=checkpointer)
        def sequence_then_wait(steps: int) -> int:
            total = sum(len(text(step).result()) for step in range(steps))
            interrupt("go")
            return total

        @entrypoint(checkpointer=checkpointer)
        def beside(steps: int) -> int:
            texts = [text(step) for step in range(steps)]
            return sum(len(text.result()) for text in texts)

        @entrypoint(checkpointer=checkpointer)
        def noted_sequence(steps: int) -> int:
            return sum(len(noted(step).result()) for step in range(steps))

        self.sequence, self.sequence_then_wait, self.beside = sequence, sequence_then_wait, beside
        self.noted_sequence = noted_sequence

    def run(self, steps: int) -> int:
        return self.sequence.invoke(steps, config(), durability="sync")

    def run_noted(self, steps: int | None) -> int:
        return self.noted_sequence.invoke(steps, config("killed"), durability="sync")


class Graph:
    """The same as a graph whose node goes around once for each step."""

    def __init__(self, job: Job) -> None:
        checkpointer = saver(job)

        def plain(state: State) -> dict:
            return {"step": state["step"] + 1, "text": TEXT}

        def noted(state: State) -> dict:
            jobs.note(DATA, state["step"])
            return plain(state)

        def waits(state: State) -> dict:
            return {"text": str(interrupt("go"))}

        def around(node) -> object:
            graph = StateGraph(State)
            graph.add_node("step", node)
            graph.add_edge(START, "step")
            graph.add_conditional_edges("step", lambda state: "step" if state["step"] < state["steps"] else END)
            return graph.compile(checkpointer=checkpointer)

        self.sequence, self.noted_sequence, self.sequence_then_wait = around(plain), around(noted), around(waits)

    def run(self, steps: int) -> int:
        state = {"step": 0, "steps": steps, "text": ""}
        return self.sequence.invoke(state, config(), durability="sync")["step"] * len(TEXT)

    def run_noted(self, steps: int | None) -> int:
        state = None if steps is None else {"step": 0, "steps": steps, "text": ""}
        return self.noted_sequence.invoke(state, config("killed"), durability="sync")["step"] * len(TEXT)


def flows(job: Job) -> Functional | Graph:
    return Graph(job) if job.peer.endswith("-graph") else Functional(job)


def j1(job: Job) -> None:
    made = flows(job)
    jobs.one_at_a_time(job, lambda: expect(made.run(1), 100))
    jobs.many_at_a_time(job, lambda: expect(made.run(1), 100))


def j1_process(job: Job) -> None:
    expect(flows(job).run(1), 100)
    job.completed()


def j2(job: Job) -> None:
    made = flows(job)
    made.run(5)
    jobs.sequence(job, jobs.milliseconds(lambda: expect(made.run(job.steps), job.steps * 100)) / 1e3)


def j3(job: Job) -> None:
    """The flow runs to its question; once it is answered, its body runs again, with all tasks from the records.

    A graph never goes over its nodes again, so it has no such time.
    """
    made = Functional(job)
    times = []
    for _ in range(3):
        thread = config()
        made.sequence_then_wait.invoke(job.steps, thread, durability="sync")
        before = RAN
        started = time.perf_counter()
        expect(made.sequence_then_wait.invoke(Command(resume=True), thread, durability="sync"), job.steps * 100)
        times.append(time.perf_counter() - started)
        expect(RAN - before, 0)
    jobs.cached(job, statistics.median(times))


def j4(job: Job) -> None:
    made = Functional(job)
    made.beside.invoke(2, config(), durability="sync")

    def run() -> None:
        expect(made.beside.invoke(job.beside, config(), durability="sync"), job.beside * 100)

    jobs.beside(job, [jobs.milliseconds(run) for _ in range(jobs.SAMPLES)])


def j5(job: Job) -> None:
    made = Functional(job)
    times = []
    for _ in range(50):
        thread = config()
        made.sequence_then_wait.invoke(0, thread, durability="sync")
        answer = Command(resume=True)
        times.append(jobs.milliseconds(lambda: made.sequence_then_wait.invoke(answer, thread, durability="sync")))
    job.emit("j5_p50", "ms", statistics.median(times))


def j6_start(job: Job) -> None:
    flows(job).run_noted(job.steps)


def j6_resume(job: Job) -> None:
    expect(flows(job).run_noted(None), job.steps * 100)
    job.completed()


if __name__ == "__main__":
    asked = jobs.parse()
    names = ("j1", "j1_process", "j2", "j6_start", "j6_resume") if asked.peer.endswith("-graph") else jobs.ALL
    jobs.run(asked, jobs.of_program(globals(), names))
