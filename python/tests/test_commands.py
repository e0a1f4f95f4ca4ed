"""The commands as functions, and what the README says, with a real Label Studio."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import pyarrow
import pyarrow.parquet
import pytest
import sluice

from conftest import CONFIG, ROOT


@pytest.fixture
def packed(tmp_path):
    rows = pyarrow.table({"text": [f"row {i}" for i in range(60)]})
    with sluice.Packer(tmp_path / "packed", max_tasks=20, label_config=CONFIG) as packer:
        packer.write(rows)
    return tmp_path / "packed"


def test_what_was_packed_is_pushed_and_verified(packed, project):
    seen = []
    report = sluice.push(packed, project, interval="0s", progress=seen.append)
    assert report["complete"] and report["tasks"] == 60 and report["imports"] >= 1
    assert seen and seen[-1]["tasks"] == 60 and seen[-1]["bytes_read"] > 0
    verified = sluice.verify(report["run"], deep=True)
    assert verified["ok"] and verified["why"] is None
    assert sum(one["tasks"] for one in verified["imports"]) == 60
    assert verified["compared"] == {"tasks": 60, "differing": 0}
    # Once more brings nothing.
    again = sluice.push(packed, [project], interval="0s")
    assert again["run"] == report["run"] and again["tasks"] == 0
    # The journal knows the run by the words that ask for the same.
    state = os.environ["SLUICE_STATE_DIR"]
    listed = subprocess.run([os.environ["SLUICE_BINARY"], "runs", "--json", "--state-dir", state], stdout=subprocess.PIPE, check=True)
    assert report["run"].encode() in listed.stdout


def test_a_plan_says_what_an_import_would_come_to(binary, parquet, tmp_path):
    seen = []
    plan = sluice.plan(parquet, tmp_path / "out", max_tasks=7_000, progress=seen.append)
    assert plan["complete"] and plan["records"] == plan["tasks"] == 20_000 and plan["rejects"] == 0
    assert seen[-1]["records"] == 20_000 and not (tmp_path / "out").exists()
    words = [binary, "plan", str(parquet), "--to", str(tmp_path / "out"), "--max-tasks", "7000", "--json", "--quiet"]
    told = json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)
    assert plan == told


def test_errors_of_commands_are_errors(packed, project, tmp_path):
    wrong = [
        ("usage", lambda: sluice.push(packed, tmp_path)),
        ("usage", lambda: sluice.push(packed, project, colour="blue")),
        ("usage", lambda: sluice.push(packed, project, interval="soon")),
        ("source-missing", lambda: sluice.push(tmp_path / "nothing", project)),
        ("project-missing", lambda: sluice.push(packed, project.rpartition("/")[0] + "/999999", interval="0s")),
    ]
    for code, call in wrong:
        with pytest.raises(sluice.Error) as raised:
            call()
        assert raised.value.code == code, raised.value
        assert "Usage:" not in str(raised.value)
    with pytest.raises(sluice.Error):
        sluice.verify("no such run")


PUSHER = """
import json, signal, sys, sluice
# Whoever runs the tests in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
def told(so_far):
    print(json.dumps(so_far), flush=True)
try:
    report = sluice.push(sys.argv[1], sys.argv[2], interval=sys.argv[3], max_tasks=20, progress=told)
except KeyboardInterrupt:
    print("interrupted", flush=True)
else:
    print(json.dumps(report), flush=True)
"""


def test_ctrl_c_ends_a_push_which_goes_on_later(packed, project, tmp_path, monkeypatch):
    # The pace is the server's, and what was sent to it before is known to a journal of its own alone.
    monkeypatch.setenv("SLUICE_STATE_DIR", str(tmp_path / "state"))

    def pusher(interval):
        words = [sys.executable, "-c", PUSHER, str(packed), project, interval]
        return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

    # Long enough to be met while it waits for its turn, which the second waits for too.
    first = pusher("20s")
    for line in first.stdout:
        if line.startswith("{") and json.loads(line)["tasks"] > 0:
            first.send_signal(signal.SIGINT)
            break
    assert first.stdout.read().splitlines()[-1] == "interrupted"
    assert first.wait() == 0
    second = pusher("0s")
    report = json.loads(second.communicate()[0].splitlines()[-1])
    assert report["complete"]
    verified = sluice.verify(report["run"])
    assert verified["ok"] and sum(one["tasks"] for one in verified["imports"]) == 60

    class Enough(Exception):
        pass

    def told(so_far):
        raise Enough

    with pytest.raises(Enough):
        sluice.push(packed, project, again=True, interval="10min", max_tasks=20, progress=told)


def test_the_readme_does_what_it_says(tmp_path, project):
    readme = (ROOT / "python/README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert len(blocks) == 2 and "http://localhost:8080/projects/7" in blocks[0]
    assert len([line for line in blocks[0].splitlines() if line]) < 10, "ten lines, with the one that installs it"
    pyarrow.parquet.write_table(pyarrow.table({"text": [f"row {i}" for i in range(50)]}), tmp_path / "rows.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"body": ["one", "two"]}), tmp_path / "articles.parquet")
    (tmp_path / "config.xml").write_text(CONFIG)
    loopback = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false"}
    flags = " ".join(f"--conf {name}={value}" for name, value in loopback.items())
    environment = {
        **os.environ,
        "PYSPARK_SUBMIT_ARGS": f"--master local[2] {flags} pyspark-shell",
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    out = []
    for block in blocks:
        block = block.replace("http://localhost:8080/projects/7", project)
        done = subprocess.run(
            [sys.executable, "-c", block], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
        out.append(done.stdout)
    assert "1 of 1 import ok, 50 tasks there" in out[0], out[0]
    assert "tasks=2" in out[1]
    manifest = json.loads((tmp_path / "runs/2026-11-22/manifest.json").read_text())
    assert manifest["complete"] and manifest["tasks"] == 50
    assert pathlib.Path(tmp_path / "packed/manifest.json").exists()
