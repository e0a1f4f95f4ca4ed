"""A real Spark on loopback, of a master and workers of one core each, and the bucket that its executors pack into."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import xml.etree.ElementTree

import pyspark

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
        assert time.monotonic() < end, f"still not so after {seconds} s: {what() if callable(what) else what}"
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


def fetched(url):
    """What an object store has there. It asks who wants it, and believes whatever it is told."""
    who = "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    return urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": who})).read()


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

    def parts(self, run):
        """The imports that are there, by the attempts that packed them, whether they count or not."""
        parts = {}
        for name in self.names(f"{run}/part-"):
            parts.setdefault(name.split("/")[-2], []).append(name)
        return parts
