"""What the tests of jobs share: submitting, waiting, reading streams of events."""
import contextlib, http.client, json, sys

from server import PATIENCE


def submit(server, prompt="Hello!", key=None, headers=None, **fields):
    """Status and body of the answer."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {}) | (headers or {})
    status, _, text = server.request("POST", "/api/v1/infer", {"prompt": prompt, **fields}, headers)
    return status, json.loads(text)


def accepted(server, *args, **fields):
    """The request_id of a job that was accepted."""
    status, job = submit(server, *args, **fields)
    assert status == 202, (status, job)
    return job["request_id"]


def running(server, **fields):
    """The request_id of a job that has begun to write on that server."""
    job = accepted(server, **fields)
    with contextlib.closing(Events(server, job)) as events:
        next(event for _, event, _ in events if event == "token")
    return job


def result(server, request_id, key=None, patience=PATIENCE):
    """The job object once it is finished."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    for _ in range(1 + patience // 20):
        status, _, text = server.request("GET", f"/api/v1/result/{request_id}?wait=20", headers=headers)
        if status == 200:
            return json.loads(text)
        assert status == 202, (status, text)
    raise AssertionError("the job does not end: " + text)


class Events:
    """An open stream of events; iterating gives (id, event, data), comments left out but counted."""

    def __init__(self, server, request_id, last=None, timeout=PATIENCE):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
        self.answer = None
        self.connection.request("GET", f"/api/v1/stream/{request_id}", headers={"Last-Event-ID": last} if last else {})
        self.answer = self.connection.getresponse()
        self.status = self.answer.status
        self.comments = 0

    def __iter__(self):
        event = {}
        for line in self.answer:
            line = line.decode().rstrip("\n")
            if line.startswith(":"):
                self.comments += 1
            elif line:
                name, _, value = line.partition(": ")
                event[name] = value
            elif event:
                yield event["id"], event["event"], json.loads(event["data"])
                event = {}

    def close(self):
        self.answer.close()
        self.connection.close()


def read_events(server, request_id, last=None):
    with contextlib.closing(Events(server, request_id, last)) as events:
        assert events.status == 200, events.status
        return list(events)


def text_of(events):
    tokens = [data for _, event, data in events if event == "token"]
    return "".join(token["data"] for token in tokens)


def full_crash_run(crash_run, **deaths):
    """The long form of a crash test, as a script: PYTHONPATH=tests/e2e python3 tests/e2e/NAME.py full [SEED]"""
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    acknowledged, outcome = crash_run(n_jobs=10_000, seed=seed, clients=16, **deaths)
    states = {state: sum(job["status"] == state for job in outcome.values()) for state in ("completed", "failed", "cancelled")}
    died = ", ".join(f"{number} {name.removeprefix('n_')}" for name, number in deaths.items())
    print(f"{len(acknowledged)} acknowledged, {died}, {states}, {max(job['attempt'] for job in outcome.values())} attempts at most")
    sys.exit(len(outcome) != len(acknowledged) or states["completed"] != len(acknowledged))
