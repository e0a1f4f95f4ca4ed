"""What the tests share: the binary under test, data, and servers on loopback."""

import json
import os
import pathlib
import random
import subprocess
import urllib.request

import pyarrow
import pyarrow.parquet
import pytest

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


def fetched(url):
    """What an object store has there. It asks who wants it, and believes whatever it is told."""
    who = "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    return urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": who})).read()


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
