"""The jobs in kitaru-host as commands, each a process of its own: what is told is the time from a command's start to its end.

Steps hold a capability, so each is on the disk before the next one starts (SQLite in WAL mode, `synchronous=FULL`).
"""

import json
import os
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import job as jobs
from job import Job, expect

HOST = os.environ.get("KITARU_HOST", "kitaru-host")
GUEST = os.environ.get("MEASURED_GUEST", "measured.wasm")
CAPABILITY = ["--allow-env", "LANG"]


def command(job: Job, *arguments: str) -> str:
    """Runs a command of the host and gives what it said."""
    environment = os.environ | {"KITARU_HOME": str(job.data / "home")}
    done = subprocess.run([HOST, *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{arguments}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def flow(job: Job, name: str, **arguments: object) -> str:
    return command(job, "--quiet", "run", f"{GUEST}:{name}", "--input", json.dumps(arguments), *CAPABILITY)


def prepare(job: Job) -> None:
    """Compiles the component, which the host keeps."""
    command(job, "--quiet", "run", f"{GUEST}:no_calls", "--input", "{}")


def newest(job: Job) -> str:
    return json.loads(command(job, "executions", "list", "--output", "json"))["items"][0]["exec_id"]


def one(job: Job) -> None:
    expect(flow(job, "sequence", steps=1), "1")


def j1(job: Job) -> None:
    prepare(job)
    times = [jobs.milliseconds(lambda: one(job)) for _ in range(max(5, job.flows // 10))]
    job.emit("j1_process", "ms", statistics.median(times))
    count = 16 * max(1, job.flows // 40)
    started = time.perf_counter()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: one(job), range(count)))
    job.emit("j1_rate_16", "/s", count / (time.perf_counter() - started))


def j2(job: Job) -> None:
    prepare(job)
    jobs.sequence(job, jobs.milliseconds(lambda: flow(job, "bulk", steps=job.steps, bytes=100)) / 1e3)


def j3(job: Job) -> None:
    """`executions verify` runs the flow again with every call served from the journal."""
    prepare(job)
    flow(job, "bulk", steps=job.steps, bytes=100)
    identity = newest(job)
    times = [jobs.milliseconds(lambda: command(job, "executions", "verify", identity)) for _ in range(5)]
    jobs.cached(job, statistics.median(times) / 1e3)


def j4(job: Job) -> None:
    prepare(job)
    run = lambda: expect(flow(job, "bulk_beside", steps=job.beside, bytes=100), str(job.beside * 100))
    jobs.beside(job, [jobs.milliseconds(run) for _ in range(jobs.SAMPLES)])


def j5(job: Job) -> None:
    prepare(job)
    times = []
    for _ in range(20):
        flow(job, "sequence_then_wait", steps=0)
        identity = newest(job)
        answer = lambda: expect(command(job, "--quiet", "executions", "input", identity, "--value", "true"), "0")
        times.append(jobs.milliseconds(answer))
    job.emit("j5_process", "ms", statistics.median(times))


def j6_start(job: Job) -> None:
    """Runs until it is killed, together with the host that it started."""
    prepare(job)
    environment = os.environ | {"KITARU_HOME": str(job.data / "home")}
    # A short one would be over before anybody has seen it.
    arguments = json.dumps({"path": "out/steps", "steps": job.steps, "milliseconds": 0 if job.steps >= 1000 else 5})
    grant = f"--allow-write={(job.data / 'notes').absolute()}::out"
    run = [HOST, "--quiet", "run", f"{GUEST}:count_slow", "--input", arguments, grant]
    with subprocess.Popen(run, env=environment, stdout=subprocess.DEVNULL) as host:
        try:
            listed: list = []
            while not listed:
                if host.poll() is not None:
                    raise SystemExit("the flow was over before it was seen")
                found = command(job, "executions", "list", "--status", "running", "--output", "json")
                listed = json.loads(found)["items"]
            (job.data / "task").write_text(listed[0]["exec_id"])
            host.wait()
        finally:
            host.kill()


def j6_resume(job: Job) -> None:
    identity = (job.data / "task").read_text()
    expected = str(job.steps * (job.steps + 1) // 2)
    resume = lambda: expect(command(job, "--quiet", "executions", "resume", identity), expected)
    job.emit("j6_time", "ms", jobs.milliseconds(resume))
    job.completed()


if __name__ == "__main__":
    known = jobs.of_program(globals())
    jobs.run(jobs.parse(), known)
