"""What Spark has packed goes from the bucket into servers, whoever is killed meanwhile, and however many push."""

import itertools
import json
import os
import signal
import subprocess
import threading
import time

import pytest
import sluice

from cluster import ROWS, until
from conftest import CONFIG
from fake_server import TOKEN, FakeServer

INTERVAL, KILLS, MAX_TASKS = 0.7, 5, 60_000


@pytest.fixture
def fake():
    server = FakeServer(CONFIG)
    yield server
    server.stop()


class Pusher(threading.Thread):
    """Starts the command, each time on what looks like another machine, until it says that all is there."""

    def __init__(self, words, environment, folder):
        super().__init__()
        self.words, self.environment, self.folder = words, environment, folder
        self.codes, self.said, self.over = [], [], False
        self.start()

    def run(self):
        while not self.over and 0 not in self.codes:
            words = [*self.words, "--state-dir", str(self.folder / f"{self.name}-{len(self.codes)}")]
            ended = subprocess.run(words, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            self.codes.append(ended.returncode)
            self.said.append(ended.stderr)
            time.sleep(0.05)


def holder(bucket, port):
    """The process that holds the lease of a server on this machine."""
    for name in bucket.names("locks/"):
        lease = json.loads(bucket.read(name))
        if lease["held"] and lease["server"].rstrip("/").endswith(f":{port}"):
            return int(lease["holder"].split()[1])
    return None


def test_a_million_rows_are_there_once_though_pushers_are_killed_and_two_push(binary, killed, bucket, fake, tmp_path, s3):
    words = [binary, "push", "s3://sluice/runs/killed", "--to", f"{fake.url}/projects/1", "--max-tasks", str(MAX_TASKS)]
    words += ["--interval", f"{INTERVAL * 1000:.0f}ms", "--lease-time", "3s", "--late", "5s"]
    environment = {**os.environ, **s3, "LABEL_STUDIO_API_KEY": TOKEN}
    pushers = [Pusher(words, environment, tmp_path) for _ in range(2)]
    victims = set()

    def said():
        return "\n".join(f"{code}: {text}" for one in pushers for code, text in zip(one.codes, one.said))

    try:
        while len(victims) < KILLS:
            # Each gets somewhere before it is killed.
            due = 1 + 3 * len(victims) // 2

            def next_victim():
                pid = holder(bucket, fake.url.rpartition(":")[2])
                return pid if len(fake.imports) >= due and pid not in victims else None

            victim = until(next_victim, lambda: f"import {due} is there\n{said()}", 120)
            time.sleep(0.15 * len(victims))
            os.kill(victim, signal.SIGKILL)
            victims.add(victim)
        for pusher in pushers:
            pusher.join(300)
    finally:
        for pusher in pushers:
            pusher.over = True
    said = said()
    codes = sorted(code for pusher in pushers for code in pusher.codes)
    assert codes.count(-signal.SIGKILL) == KILLS and codes.count(0) == 2, (codes, said)
    # One that finds the other at work says so.
    assert set(codes) <= {-signal.SIGKILL, 0, 5} and "another sluice imports into" in said, (codes, said)
    assert len(fake.ids) == ROWS and set(fake.ids) == set(range(ROWS))
    for one, next_one in itertools.pairwise(sorted(fake.imports)):
        assert one.answered <= next_one.asked, "they overlap"
    for one, next_one in itertools.pairwise(sorted(fake.began)):
        # What a request takes on its way differs.
        assert next_one - one > INTERVAL - 0.1, "they are too close"
    assert all(one.tasks <= MAX_TASKS for one in fake.imports)
    print(f"{len(fake.imports)} imports, {len(codes)} commands")


def test_a_share_of_them_comes_into_a_real_server(driver, lake, project, monkeypatch, s3):
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    options = {"path": "s3://sluice/runs", "runId": "share", "labelConfig": CONFIG, "maxTasks": 3_000}
    assert "error" not in driver.save(parquet=str(lake), where="id % 50 = 7", options=options)
    report = sluice.push("s3://sluice/runs/share", project, interval="0s")
    assert report["complete"] and report["tasks"] == ROWS // 50
    verified = sluice.verify(report["run"], deep=True)
    assert verified["ok"], verified["text"]
    assert verified["compared"] == {"tasks": ROWS // 50, "differing": 0}
