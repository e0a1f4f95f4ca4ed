"""The sink of the example for Ray, on a Ray that reaches nothing but this machine."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from conftest import CONFIG, ROOT

# Ray listens wherever it can: in a network of its own that is loopback alone.
APART = ["unshare", "--net", "--map-root-user"]


def test_the_example_packs_every_row_once_and_the_same_run_again_changes_nothing(tmp_path):
    if not (shutil.which("unshare") and shutil.which("ip")) or subprocess.run([*APART, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("this system does not let a process have a network of its own, and Ray is not let out of one")
    count, to = 20_000, tmp_path / "run"
    driver = [sys.executable, str(ROOT / "python/tests/ray_driver.py"), str(to), str(count), str(ROOT / "python/examples"), CONFIG]
    ran = subprocess.run(
        [*APART, "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *driver],
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": "/tmp"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout[-4_000:]
    manifest = json.loads((to / "manifest.json").read_text())
    assert manifest["complete"] and manifest["run"] == "ray-1" and manifest["tasks"] == count
    tasks = [task for one in manifest["imports"] for task in json.loads((to / one["name"]).read_text())]
    assert [len(task["data"]) for task in tasks] == [2] * count
    assert sorted(task["data"]["id"] for task in tasks) == list(range(count))
    assert all(task["data"]["text"] == f"row {task['data']['id']}" for task in tasks)
    # Each run has packed its parts, and the manifest names those of one.
    named = {one["name"].split("/")[0] for one in manifest["imports"]}
    assert {path.name for path in to.iterdir() if path.is_dir()} > named
