"""A real Spark on loopback, of one master and two workers of one core each, whose executors are killed."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import xml.etree.ElementTree

import pyarrow
import pyarrow.compute
import pyarrow.parquet
import pyspark
import pytest

from conftest import CONFIG, fetched

TOKEN = "a-token-that-no-executor-may-see"
HERE = pathlib.Path(__file__).parent
ROWS, FILES, MAX_TASKS = 1_000_000, 8, 25_000


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(true, what, seconds=300):
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, f"still not so after {seconds} s: {what}"
        time.sleep(0.05)
    return found


class Cluster:
    """Processes that end with the tests, and what they write in their folder."""

    def __init__(self, folder, s3, workers=2, pinned=False):
        self.folder = folder
        self.s3 = s3
        self.processes = []
        home = pathlib.Path(pyspark.__file__).parent
        self.environment = {
            **os.environ,
            **s3,
            "SPARK_HOME": str(home),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_DAEMON_MEMORY": "256m",
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_LOCAL_DIRS": str(folder / "local"),
        }
        self.environment.pop("LABEL_STUDIO_API_KEY", None)
        spark_class = str(home / "bin/spark-class")
        port = free_port()
        self.master = f"spark://127.0.0.1:{port}"
        master = ["org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]
        self.start("master", [spark_class, *master])
        until(lambda: "New state: ALIVE" in self.log("master"), "the master is alive")
        self.workers = []
        for number in range(1, workers + 1):
            worker = ["org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1", "--webui-port", "0", "--cores", "1"]
            worker += ["--memory", "1g", "--work-dir", str(folder / f"work{number}"), self.master]
            pin = ["taskset", "-c", str(number - 1)] if pinned else []
            self.workers.append(self.start(f"worker{number}", [*pin, spark_class, *worker]))
        until(lambda: self.log("master").count("Registering worker") == workers, "all workers are registered")

    def start(self, name, words, **more):
        environment = {**self.environment, **more.pop("environment", {})}
        log = open(self.folder / f"{name}.log", "wb")
        process = subprocess.Popen(words, env=environment, stderr=log, stdout=more.pop("stdout", log), **more)
        self.processes.append(process)
        return process

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def driver(self, folder, words=(sys.executable, str(HERE / "spark_driver.py"))):
        settings = {
            "spark.master": self.master,
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": "512m",
            "spark.executor.memory": "512m",
            "spark.ui.enabled": "false",
            "spark.sql.files.minPartitionNum": str(FILES),
            "spark.sql.warehouse.dir": str(folder / "warehouse"),
        }
        flags = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
        # The token is there where the driver runs, as it is where people push.
        environment = {"LABEL_STUDIO_API_KEY": TOKEN, "PYSPARK_SUBMIT_ARGS": " ".join([*flags, "pyspark-shell"])}
        pipe = subprocess.PIPE
        process = self.start("driver", words, environment=environment, stdin=pipe, stdout=pipe, text=True)
        while (line := process.stdout.readline()) != "ready\n":
            assert line or process.poll() is None, self.log("driver")[-4_000:]
        return Driver(process, self)

    def executors(self):
        """The processes of executors: the workers' children."""
        workers = {process.pid for process in self.workers}
        return [pid for pid, parent, words in processes() if parent in workers and "CoarseGrainedExecutorBackend" in words]

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Driver:
    def __init__(self, process, cluster):
        self.process = process
        self.cluster = cluster

    def ask(self, **asked):
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()

    def answer(self):
        while line := self.process.stdout.readline():
            if line.startswith("{"):
                return json.loads(line)
        raise AssertionError(self.cluster.log("driver")[-4_000:])

    def save(self, **asked):
        self.ask(**asked)
        return self.answer()


def processes():
    """Ids, parents and words of all processes that can be looked at."""
    for folder in pathlib.Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
                words = (folder / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            yield int(folder.name), parent, words


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, s3):
    there = Cluster(tmp_path_factory.mktemp("spark"), s3)
    yield there
    there.stop()


@pytest.fixture(scope="module")
def driver(cluster, tmp_path_factory):
    return cluster.driver(tmp_path_factory.mktemp("driver"))


@pytest.fixture(scope="module")
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


class Bucket:
    def __init__(self, s3):
        self.url = s3["AWS_ENDPOINT_URL"] + "/sluice"

    def names(self, prefix):
        names, more = [], ""
        while True:
            query = urllib.parse.urlencode({"list-type": 2, "prefix": prefix, **({"continuation-token": more} if more else {})})
            page = xml.etree.ElementTree.fromstring(fetched(f"{self.url}?{query}"))
            space = page.tag.partition("}")[0] + "}"
            names += [one.findtext(f"{space}Key") for one in page.iter(f"{space}Contents")]
            more = page.findtext(f"{space}NextContinuationToken")
            if not more:
                return names

    def read(self, name):
        return fetched(f"{self.url}/{name}")

    def manifest(self, run):
        return json.loads(self.read(f"{run}/manifest.json"))


@pytest.fixture(scope="module")
def bucket(s3):
    return Bucket(s3)


def imports_by_part(bucket, run):
    parts = {}
    for name in bucket.names(f"{run}/part-"):
        parts.setdefault(name.split("/")[-2], []).append(name)
    return parts


def test_a_million_rows_come_once_each_though_executors_are_killed(cluster, driver, lake, bucket, binary, tmp_path):
    run, whole, gate = "runs/killed", ROWS // FILES // MAX_TASKS, tmp_path / "gate"
    options = {"path": "s3://sluice/runs", "runId": "killed", "labelConfig": CONFIG, "maxTasks": MAX_TASKS}
    driver.ask(parquet=str(lake), gate=str(gate), options=options)
    killed = set()
    for orphans in (0, 1):
        # The gate is shut: whichever executor is killed then, it was in the middle of a partition of which something is
        # there.
        def both_at_work():
            parts = imports_by_part(bucket, run).values()
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

    manifest = bucket.manifest(run)
    assert manifest["complete"] and manifest["run"] == "killed"
    assert manifest["records"] == manifest["tasks"] == ROWS and manifest["rejects"] == 0
    ids = []
    for number, one in enumerate(manifest["imports"], 1):
        body = bucket.read(f"{run}/{one['name']}")
        tasks = json.loads(body)
        assert (len(body), len(tasks), number) == (one["bytes"], one["tasks"], one["number"])
        assert len(tasks) <= MAX_TASKS
        ids += [task["data"]["id"] for task in tasks]
    assert len(ids) == ROWS and set(ids) == set(range(ROWS))
    last = tasks[-1]["data"]
    assert last["author"] == {"name": str(last["id"]), "age": last["id"]} and len(last["seen"]) == 2

    # What the killed ones left is there, counts for nothing, and is named by `gc`.
    counted = {f"{run}/{one['name']}" for one in manifest["imports"]}
    orphans = {name for name in bucket.names(f"{run}/part-")} - counted
    assert len(orphans) >= 2
    assert len({name.split("/")[-2].split("-")[1] for name in orphans}) == 2, "of two partitions"

    # The same run once more, with nobody killed, changes nothing.
    before = bucket.read(f"{run}/manifest.json")
    again = driver.save(parquet=str(lake), options=options)
    assert "error" not in again, again
    assert bucket.read(f"{run}/manifest.json") == before
    left = {name for name in bucket.names(f"{run}/part-")} - counted
    listed = subprocess.run(
        [binary, "gc", "--dry-run", "s3://sluice/runs/killed"], stdout=subprocess.PIPE, text=True, env={**os.environ, **cluster.s3}
    )
    named = {name for name in left if name.split("/", 2)[2] in listed.stdout}
    assert named == left and not any(name.split("/", 2)[2] in listed.stdout for name in counted)


def test_the_same_run_is_a_no_op_and_another_is_refused(driver, bucket):
    options = {"path": "s3://sluice/runs", "runId": "few", "labelConfig": CONFIG}
    few = {"rows": 3, "partitions": 8, "text": "x", "options": options}
    # Of eight partitions at least five are empty.
    assert "error" not in driver.save(**few)
    manifest = bucket.read("runs/few/manifest.json")
    assert json.loads(manifest)["tasks"] == 3
    assert "error" not in driver.save(**few)
    others = [
        {**few, "text": "y"},
        {**few, "rows": 4},
        {**few, "options": {**options, "maxTasks": 7}},
        {**few, "options": {**options, "set": '{"lang": "en"}'}},
        {**few, "options": {**options, "map": '{"text": "text", "number": "id"}'}},
    ]
    for other in others:
        assert "manifest of another run" in driver.save(**other).get("error", "nothing"), other
    assert bucket.read("runs/few/manifest.json") == manifest
    # Nothing at all is a run too.
    nothing = {**few, "rows": 0, "options": {**options, "runId": "nothing"}}
    assert "error" not in driver.save(**nothing) and "error" not in driver.save(**nothing)
    assert bucket.manifest("runs/nothing")["tasks"] == 0


def test_what_cannot_be_is_refused_before_there_is_a_task(driver, bucket):
    options = {"path": "s3://sluice/runs", "runId": "refused"}
    few = {"rows": 3, "partitions": 2, "text": "x"}
    secret = "s3cr3t"
    cases = [
        ({"token": secret}, "is no option: Spark sends options to every executor"),
        ({"apiKey": secret}, "is no option: Spark sends options to every executor"),
        ({"LABEL_STUDIO_API_KEY": secret}, "is no option: Spark sends options to every executor"),
        ({"colour": "blue"}, "`colour` is no option"),
        ({"runId": ""}, "say where runs lie"),
        ({"runId": "../x"}, "is no id of a run"),
        ({"labelConfig": "<View>"}, "labelling config"),
        ({"labelConfig": "/not/there.xml"}, "/not/there.xml"),
        ({"maxTasks": "many"}, "option `maxtasks`"),
        ({"path": "http://localhost/projects/1"}, "no place to pack to"),
    ]
    for other, said in cases:
        error = driver.save(**few, options={**options, **other}).get("error", "nothing")
        assert said in error, (other, error)
        assert secret not in error
    assert "never overwritten" in driver.save(**few, mode="overwrite", options=options)["error"]
    # A partition that always fails ends the run, which has no manifest then.
    failed = driver.save(**{**few, "text": "\0"}, options={**options, "labelConfig": CONFIG, "maxRejects": 0})
    assert "too-many-rejects" in failed["error"]
    assert not [name for name in bucket.names("runs/refused") if name.endswith("manifest.json")]
