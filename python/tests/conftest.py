"""What the tests share: the binary under test, data, and servers on loopback."""

import json
import os
import pathlib
import random
import signal
import subprocess
import urllib.request

import pyarrow
import pyarrow.compute
import pyarrow.parquet
import pytest

from cluster import FILES, MAX_TASKS, ROWS, TOKEN, Bucket, Cluster, until

ROOT = pathlib.Path(__file__).parents[2]

CONFIG = (
    '<View><Text name="text" value="$text"/>'
    '<Choices name="c" toName="text"><Choice value="a"/><Choice value="b"/></Choices></View>'
)


@pytest.fixture(scope="session")
def binary():
    return os.environ["SLUICE_BINARY"]


@pytest.fixture(scope="session")
def table():
    """Rows with nested columns, texts of every length and signs of every kind, and nulls."""
    return rows(20_000)


def rows(count, first=0):
    dice = random.Random(first)
    words = ["sluice", "Größe", "日本語", 'a "quoted" word', "\\", "🎈", "\t", "\n"]
    ids = range(first, first + count)
    return pyarrow.table(
        {
            "id": pyarrow.array(ids, pyarrow.int64()),
            "text": [" ".join(dice.choices(words, k=dice.randrange(1, 30))) for _ in ids],
            "score": [None if i % 7 == 0 else i / 3 for i in ids],
            "tags": [[words[j % 8] for j in range(i % 4)] for i in ids],
            "author": [{"name": f"author {i % 97}", "age": i % 80, "seen": [i, i + 1]} for i in ids],
        }
    )


@pytest.fixture
def parquet(tmp_path, table):
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(table, path, row_group_size=3_000)
    return path


def settings(output):
    """What a script prints for `eval`."""
    return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)


@pytest.fixture(scope="session")
def s3(tmp_path_factory):
    """An object store with an empty bucket; its settings are in the environment meanwhile."""
    folder = tmp_path_factory.mktemp("stores")
    script = [str(ROOT / "scripts/object-stores"), "start", "s3", "--data", str(folder), "--for", str(os.getpid())]
    started = subprocess.run(script, check=True, stdout=subprocess.PIPE, text=True)
    there = settings(started.stdout)
    before = {name: os.environ.get(name) for name in there}
    os.environ.update(there)
    yield there
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory):
    """A real Label Studio, with the token in the environment meanwhile."""
    folder = tmp_path_factory.mktemp("label-studio")
    script = [str(ROOT / "scripts/label-studio"), "start", "--data", str(folder), "--for", str(os.getpid())]
    started = subprocess.run(script, check=True, stdout=subprocess.PIPE, text=True)
    there = settings(started.stdout)
    os.environ["LABEL_STUDIO_API_KEY"] = there["PAT"]
    os.environ["SLUICE_STATE_DIR"] = str(tmp_path_factory.mktemp("state"))
    yield there
    del os.environ["LABEL_STUDIO_API_KEY"], os.environ["SLUICE_STATE_DIR"]


@pytest.fixture
def project(label_studio):
    """The address of a new project."""
    body = json.dumps({"title": "python", "label_config": CONFIG}).encode()
    headers = {"Authorization": f"Token {label_studio['TOKEN']}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{label_studio['URL']}/api/projects", body, headers)
    number = json.load(urllib.request.urlopen(request))["id"]
    return f"{label_studio['URL']}/projects/{number}"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory, s3):
    there = Cluster(tmp_path_factory.mktemp("spark"), s3)
    yield there
    there.stop()


@pytest.fixture(scope="session")
def driver(cluster, tmp_path_factory):
    return cluster.driver(tmp_path_factory.mktemp("driver"))


@pytest.fixture(scope="session")
def bucket(s3):
    return Bucket(s3)


@pytest.fixture(scope="session")
def lake(tmp_path_factory):
    """Parquet of nested columns, in files that make a partition each."""
    folder = tmp_path_factory.mktemp("lake")
    for file in range(FILES):
        ids = pyarrow.array(range(file * ROWS // FILES, (file + 1) * ROWS // FILES), pyarrow.int64())
        names = ids.cast(pyarrow.string())
        offsets = pyarrow.array(range(0, len(ids) * 2 + 1, 2), pyarrow.int32())
        pairs = pyarrow.compute.add(pyarrow.array(range(len(ids) * 2), pyarrow.int64()), file)
        texts = pyarrow.compute.binary_join_element_wise("row", names, "of a long text with a Größe", " ")
        author = pyarrow.StructArray.from_arrays([names, ids], ["name", "age"])
        columns = {"id": ids, "text": texts, "author": author, "seen": pyarrow.ListArray.from_arrays(offsets, pairs)}
        pyarrow.parquet.write_table(pyarrow.table(columns), folder / f"{file}.parquet")
    return folder


@pytest.fixture(scope="session")
def killed(cluster, driver, lake, bucket, tmp_path_factory):
    """A run of a million rows that was packed while two executors were killed: its options, and the folders of orphans."""
    run, whole, gate = "runs/killed", ROWS // FILES // MAX_TASKS, tmp_path_factory.mktemp("gate") / "open"
    options = {"path": "s3://sluice/runs", "runId": "killed", "labelConfig": CONFIG, "maxTasks": MAX_TASKS}
    driver.ask(parquet=str(lake), gate=str(gate), options=options)
    killed = set()
    for orphans in (0, 1):
        # The gate is shut: whichever executor is killed then, it was in the middle of a partition of which something is
        # there.
        def both_at_work():
            parts = bucket.parts(run).values()
            running = set(cluster.executors()) - killed
            return len(running) == 2 and sum(len(part) < whole for part in parts) >= orphans + 2

        until(both_at_work, "both executors are in the middle of a partition")
        for pid in cluster.executors():
            environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
            assert TOKEN.encode() not in environment
        victim = sorted(set(cluster.executors()) - killed)[0]
        os.kill(victim, signal.SIGKILL)
        killed.add(victim)
    gate.touch()
    answer = driver.answer()
    assert "error" not in answer, answer["error"][-4_000:]
    return {"parquet": str(lake), "options": options}
