"""The jobs in Restate: a server with its defaults (RocksDB on disk), a service in a process of its own, and a client over HTTP.

The same program is the service, with the job `service`. After a kill of all processes both are started again at the same ports.
"""

import asyncio
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import hypercorn.asyncio
import hypercorn.config
import restate

import job as jobs
from job import TEXT, Job, expect

DATA = Path(os.environ.get("JOB_DATA", "."))
# An execution that waits so long is left to the server.
SUSPEND = timedelta(milliseconds=200)

service = restate.Service("Jobs")
waiting = restate.Service("Waiting", inactivity_timeout=SUSPEND)


def text() -> str:
    return TEXT


def counted() -> str:
    with open(DATA / "ran", "a") as file:
        file.write("x")
    return TEXT


@service.handler()
async def sequence(ctx: restate.Context, steps: int) -> int:
    total = 0
    for _ in range(steps):
        total += len(await ctx.run_typed("text", text))
    return total


@service.handler()
async def beside(ctx: restate.Context, steps: int) -> int:
    texts = [ctx.run_typed("text", text) for _ in range(steps)]
    await restate.gather(*texts)
    total = 0
    for done in texts:
        total += len(await done)
    return total


@service.handler()
async def noted_sequence(ctx: restate.Context, steps: int) -> int:
    total = 0
    for step in range(steps):
        total += len(await ctx.run_typed("noted", lambda step=step: (jobs.note(DATA, step), TEXT)[1]))
    return total


@service.handler()
async def asks(ctx: restate.Context, asked: str) -> bool:
    return await ask(ctx, asked)


@waiting.handler()
async def sequence_then_wait(ctx: restate.Context, asked: dict) -> list:
    """The result is how long it took to come to the question, the last time that the body ran."""
    began = time.perf_counter()
    for _ in range(asked["steps"]):
        await ctx.run_typed("counted", counted)
    took = time.perf_counter() - began
    (DATA / f"took-{asked['name']}").write_text(str(took))
    return [await ask(ctx, asked["name"]), took]


async def ask(ctx: restate.Context, name: str) -> bool:
    """Leaves where to answer in a file."""
    identity, answer = ctx.awakeable()
    part = DATA / f"{name}.part"
    part.write_text(identity)
    part.rename(DATA / name)
    return await answer


def serve() -> None:
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{os.environ['JOB_PORT']}"]
    config.accesslog = config.errorlog = None
    asyncio.run(hypercorn.asyncio.serve(restate.app([service, waiting]), config))


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for made in sockets:
        made.bind(("127.0.0.1", 0))
    ports = [made.getsockname()[1] for made in sockets]
    for made in sockets:
        made.close()
    return ports


class Host:
    """The server and the service, as children of this process."""

    def __init__(self, job: Job) -> None:
        self.data = job.data.absolute()
        saved = self.data / "ports.json"
        again = saved.exists()
        if not again:
            saved.write_text(json.dumps(free_ports(4)))
        self.ingress, self.admin, node, port = json.loads(saved.read_text())
        environment = os.environ | {"JOB_DATA": str(self.data), "JOB_PORT": str(port)}
        program = [sys.executable, __file__, "service", "--peer", job.peer, "--data", str(self.data)]
        self.service = subprocess.Popen(program, env=environment)
        settings = {
            "RESTATE_BASE_DIR": str(self.data / "restate"),
            "RESTATE_NODE_NAME": "local",
            "RESTATE_LISTEN_MODE": "tcp",
            "RESTATE_BIND_ADDRESS": f"127.0.0.1:{node}",
            "RESTATE_ADVERTISED_ADDRESS": f"http://127.0.0.1:{node}",
            "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{self.ingress}",
            "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{self.admin}",
            "RESTATE_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "1",
            "RESTATE_LOG_FILTER": "error",
        }
        with open(self.data / "server.log", "ab") as log:
            command = [str(job.tools / "restate-server"), "--no-logo"]
            self.server = subprocess.Popen(command, env=os.environ | settings, stdout=log, stderr=log)
        self.until_up(port)
        self.until_up(self.admin)
        self.until_up(self.ingress)
        if not again:
            self.register(f"http://127.0.0.1:{port}")

    def until_up(self, port: int) -> None:
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.005)

    def register(self, uri: str) -> None:
        until = time.monotonic() + 30
        while True:
            try:
                self.post(self.admin, "/deployments", {"uri": uri, "use_http_11": False})
                self.post(self.ingress, "/Jobs/sequence", 1)
                return
            except (OSError, http.client.HTTPException, RuntimeError):
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def post(self, port: int, path: str, body: object) -> object:
        """On a connection that each thread keeps."""
        kept = LOCAL.__dict__.setdefault(port, http.client.HTTPConnection("127.0.0.1", port, timeout=600))
        try:
            kept.request("POST", path, json.dumps(body), {"content-type": "application/json"})
            answer = kept.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException):
            kept.close()
            raise
        if answer.status >= 300:
            raise RuntimeError(f"{path}: {answer.status} {said!r}")
        return json.loads(said) if said else None

    def call(self, handler: str, body: object) -> object:
        return self.post(self.ingress, handler, body)

    def answer(self, name: str) -> None:
        self.post(self.ingress, f"/restate/awakeables/{self.asked(name)}/resolve", True)

    def asked(self, name: str) -> str:
        until = time.monotonic() + 60
        while not (self.data / name).exists():
            if time.monotonic() > until:
                raise SystemExit("nothing was asked")
            time.sleep(0.001)
        return (self.data / name).read_text()

    def stop(self) -> None:
        for child in (self.server, self.service):
            child.send_signal(signal.SIGTERM)
        for child in (self.server, self.service):
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()


LOCAL = threading.local()


def background(action) -> tuple[threading.Thread, list]:
    result: list = []
    thread = threading.Thread(target=lambda: result.append(action()))
    thread.start()
    return thread, result


def j1(job: Job, host: Host) -> None:
    jobs.one_at_a_time(job, lambda: expect(host.call("/Jobs/sequence", 1), 100))
    jobs.many_at_a_time(job, lambda: expect(host.call("/Jobs/sequence", 1), 100))


def j2(job: Job, host: Host) -> None:
    host.call("/Jobs/sequence", 5)
    run = lambda: expect(host.call("/Jobs/sequence", job.steps), job.steps * 100)
    jobs.sequence(job, jobs.milliseconds(run) / 1e3)


def j3(job: Job, host: Host) -> None:
    """The server has suspended the execution at its question; once it is answered, the body runs again from the journal."""
    times = []
    for round_ in range(3):
        name = f"asked-{round_}"
        thread, result = background(lambda: host.call("/Waiting/sequence_then_wait", {"name": name, "steps": job.steps}))
        host.asked(name)
        first = (host.data / f"took-{name}").read_text()
        time.sleep(SUSPEND.total_seconds() + 1.0)
        host.answer(name)
        thread.join()
        answer, took = result[0]
        expect(answer, True)
        if str(took) == first:
            raise SystemExit("the body did not run again")
        times.append(took)
    expect((host.data / "ran").stat().st_size, 3 * job.steps)
    jobs.cached(job, statistics.median(times))


def j4(job: Job, host: Host) -> None:
    host.call("/Jobs/beside", 2)
    run = lambda: expect(host.call("/Jobs/beside", job.beside), job.beside * 100)
    jobs.beside(job, [jobs.milliseconds(run) for _ in range(jobs.SAMPLES)])


def j5(job: Job, host: Host) -> None:
    times = []
    for round_ in range(30):
        name = f"asked-{round_}"
        thread, result = background(lambda: host.call("/Jobs/asks", name))
        host.asked(name)

        def answer() -> None:
            host.answer(name)
            thread.join()

        times.append(jobs.milliseconds(answer))
        expect(result, [True])
    job.emit("j5_p50", "ms", statistics.median(times))


def j6_start(job: Job, host: Host) -> None:
    host.call("/Jobs/noted_sequence/send", job.steps)
    time.sleep(600)


def j6_resume(job: Job, host: Host) -> None:
    """The server drives on what it has; that the last step was noted is the end that can be seen from here."""
    steps = host.data / "notes" / "steps"
    while f"{job.steps - 1}\n".encode() not in steps.read_bytes()[-64:]:
        time.sleep(0.002)
    job.completed()


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "service":
        serve()
        raise SystemExit(0)
    asked = jobs.parse()
    known = jobs.of_program(globals())
    if asked.name not in known:
        raise SystemExit(3)
    (asked.data / "notes").mkdir(parents=True, exist_ok=True)
    started = Host(asked)
    try:
        known[asked.name](asked, started)
    finally:
        started.stop()
