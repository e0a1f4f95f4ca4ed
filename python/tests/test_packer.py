"""The packer does what the command does, with data that Python holds."""

import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

import duckdb
import pandas
import polars
import pyarrow
import pyarrow.parquet
import pytest
import sluice

from cluster import fetched
from conftest import CONFIG, ROOT


def imported(binary, parquet, to, *flags):
    """The manifest of what the command makes of a file."""
    subprocess.run([binary, "import", str(parquet), "--to", str(to), "--quiet", *flags], check=True)
    return json.loads((pathlib.Path(to) / "manifest.json").read_text())


def digests(packed):
    return [(one.tasks, one.bytes, one.blake3) for one in packed.imports]


def known(manifest):
    return [(one["tasks"], one["bytes"], one["blake3"]) for one in manifest["imports"]]


def tasks(folder, packed):
    return [task for one in packed.imports for task in json.loads((folder / one.name).read_bytes())]


def packed(to, data, **settings):
    with sluice.Packer(to, **settings) as packer:
        packer.write(data)
    return packer.close()


def test_imports_are_those_of_the_command_byte_for_byte(binary, parquet, tmp_path):
    config = tmp_path / "config.xml"
    config.write_text(CONFIG)
    flags = ["--max-bytes", "300kb", "--map", "body=text", "--pick", "text,id,tags,author", "--set", 'lang="en"']
    manifest = imported(binary, parquet, tmp_path / "command", *flags)
    assert len(manifest["imports"]) > 5
    file = pyarrow.parquet.ParquetFile(parquet)
    with sluice.Packer(
        tmp_path / "wheel",
        max_bytes=300_000,
        map={"body": "text"},
        pick=["text", "id", "tags", "author"],
        set={"lang": "en"},
        run_id="one",
    ) as packer:
        rows = sum(packer.write(batch) for batch in file.iter_batches(1_000))
    done = packer.close()
    assert rows == done.records == done.tasks == 20_000 and done.rejects == 0 and done.rejects_path is None
    assert digests(done) == known(manifest)
    for one in done.imports:
        command = tmp_path / "command" / one.name
        assert (tmp_path / "wheel" / one.name).read_bytes() == command.read_bytes()
    there = json.loads((tmp_path / "wheel/manifest.json").read_text())
    assert there["complete"] and there["run"] == done.run_id == packer.run_id == "one"
    assert known(there) == known(manifest) and json.loads(done.manifest) == there
    assert done.as_dict()["tasks"] == 20_000


def test_predictions_and_the_labelling_config_are_those_of_the_command(binary, tmp_path):
    table = pyarrow.table({"text": ["x", "y", "z"], "c": ["a", "b", None], "sure": [0.5, 0.25, None]})
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet")
    config = tmp_path / "config.xml"
    config.write_text(CONFIG)
    flags = ["--label-config", str(config), "--predictions-from", "c", "--score-from", "sure", "--model-version", "m 1"]
    manifest = imported(binary, tmp_path / "rows.parquet", tmp_path / "command", *flags)
    said = {"predictions_from": ["c"], "score_from": "sure", "model_version": "m 1"}
    for name, config in [("file", config), ("text", CONFIG)]:
        assert digests(packed(tmp_path / name, table, label_config=config, **said)) == known(manifest)
    by_control = {**said, "predictions_from": {"c": "c"}}
    assert digests(packed(tmp_path / "dictionary", table, label_config=CONFIG, **by_control)) == known(manifest)


def test_whatever_speaks_arrow_is_taken(table, tmp_path):
    plain = table.select(["id", "text", "score"])
    frames = {
        "table": plain,
        "reader": plain.to_reader(max_chunksize=777),
        "polars": polars.from_arrow(plain),
        "duckdb": duckdb.sql("SELECT * FROM plain ORDER BY id"),
        "pandas": plain.to_pandas().astype({"score": "float64"}),
        "struct": plain.combine_chunks().to_batches()[0].to_struct_array(),
    }
    assert isinstance(frames["pandas"], pandas.DataFrame)
    done = {name: packed(tmp_path / name, frame) for name, frame in frames.items()}
    assert {each.records for each in done.values()} == {20_000}
    first = digests(done["table"])
    # What pandas lacks it calls NaN, which is `null` in a task as in any other.
    assert {name for name, each in done.items() if digests(each) != first} == set()


def test_batches_of_every_size_make_the_same_imports(table, tmp_path):
    whole = digests(packed(tmp_path / "whole", table, max_tasks=4_321))
    for size in [1, 7, 4_096]:
        few = table.slice(0, 20_000 if size > 1 else 500)
        with sluice.Packer(tmp_path / f"{size}", max_tasks=4_321) as packer:
            for batch in few.to_batches(max_chunksize=size):
                packer.write(batch)
        if size > 1:
            assert digests(packer.close()) == whole
        else:
            assert packer.close().tasks == 500


def test_nothing_written_is_an_empty_run(tmp_path):
    with sluice.Packer(tmp_path / "empty", part="00007-x", run_id="r") as packer:
        pass
    done = packer.close()
    assert (done.records, done.tasks, done.imports) == (0, 0, [])
    assert json.loads(done.manifest)["complete"]
    empty = pyarrow.table({"text": pyarrow.array([], pyarrow.string())})
    assert packed(tmp_path / "rows", empty).records == 0


def test_a_part_has_no_manifest_of_its_own(tmp_path, table):
    done = packed(tmp_path, table, part="00003-abc", run_id="r", max_tasks=15_000)
    assert [one.name for one in done.imports] == ["part-00003-abc/import-000001.json", "part-00003-abc/import-000002.json"]
    there = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.json*"))
    assert there == [one.name for one in done.imports]
    assert [one["name"] for one in json.loads(done.manifest)["imports"]] == there


def test_rejects_have_their_place_and_a_file(tmp_path):
    table = pyarrow.table({"text": ["good", "b\0d", "good"]})
    done = packed(tmp_path / "out", table)
    assert (done.records, done.tasks, done.rejects) == (3, 2, 1)
    lines = [json.loads(line) for line in pathlib.Path(done.rejects_path).read_text().splitlines()]
    assert [(line["record"], line["code"], line["row"]) for line in lines] == [(2, "nul", 1)]


def test_errors_have_code_and_place(tmp_path):
    rows = pyarrow.table({"text": ["good"] * 5 + ["b\0d"] + ["good"] * 5}).to_batches(max_chunksize=4)
    with pytest.raises(sluice.Error) as raised:
        with sluice.Packer(tmp_path / "rejects", max_rejects=0) as packer:
            for batch in rows:
                packer.write(batch)
            packer.close()
    assert raised.value.code == "too-many-rejects" and raised.value.exit_code == 4
    assert "--max-rejects" in raised.value.help and raised.value.message in str(raised.value)
    manifest = json.loads((tmp_path / "rejects/manifest.json").read_text())
    assert not manifest["complete"]

    # A labelling config that tasks cannot fit: the first row says so, with its place.
    with pytest.raises(sluice.Error) as raised:
        packed(tmp_path / "missing", pyarrow.table({"txt": ["x"]}), label_config=CONFIG)
    assert raised.value.code == "field-missing" and raised.value.place.source == "batches"
    assert "text" in raised.value.message

    (tmp_path / "full").mkdir()
    (tmp_path / "full/other").write_text("x")
    cases = [
        ("usage", lambda: sluice.Packer(tmp_path / "x", max_tasks=0)),
        ("usage", lambda: sluice.Packer("http://localhost/projects/1")),
        ("usage", lambda: sluice.Packer(tmp_path / "x", run_id="../x")),
        ("usage", lambda: sluice.Packer(tmp_path / "x", part="a/b")),
        ("label-config", lambda: sluice.Packer(tmp_path / "x", label_config="<View>")),
        ("target-not-empty", lambda: packed(tmp_path / "full", rows[0])),
    ]
    for code, wrong in cases:
        with pytest.raises(sluice.Error) as raised:
            wrong()
        assert raised.value.code == code, raised.value
        assert raised.value.place is None
    assert not (tmp_path / "x").exists()


def test_what_is_no_table_is_refused_and_harms_nothing(tmp_path):
    class Liar:
        def __init__(self, given):
            self.given = given

        def __arrow_c_stream__(self, requested_schema=None):
            return self.given

    with sluice.Packer(tmp_path / "out") as packer:
        for wrong in [7, None, [1], "x", {"text": ["x"]}, Liar(7), Liar(pyarrow.schema([]).__arrow_c_schema__())]:
            with pytest.raises((TypeError, ValueError)):
                packer.write(wrong)
        for wrong in [pyarrow.array([1, 2]), pyarrow.chunked_array([[1]]), pyarrow.array([{"text": "x"}, None])]:
            with pytest.raises(sluice.Error) as raised:
                packer.write(wrong)
            assert raised.value.code in ("format", "decoder-panic")

        def failing():
            yield pyarrow.record_batch({"text": ["one"]})
            raise RuntimeError("the maker failed")

        schema = pyarrow.schema({"text": pyarrow.string()})
        with pytest.raises(sluice.Error, match="the maker failed"):
            packer.write(pyarrow.RecordBatchReader.from_batches(schema, failing()))
        packer.write(pyarrow.table({"text": ["two"]}))
    assert tasks(tmp_path / "out", packer.close()) == [{"data": {"text": text}} for text in ["one", "two"]]


def test_hostile_schemas_are_tasks_or_errors(tmp_path):
    deep = pyarrow.array([1])
    for _ in range(60):
        deep = pyarrow.StructArray.from_arrays([deep], ["x"])
    twice = pyarrow.Table.from_arrays([pyarrow.array(["x"]), pyarrow.array(["y"])], names=["a", "a"])
    cases = {
        "deep": pyarrow.table({"a": deep}),
        "twice": twice,
        "none": pyarrow.table({"a": pyarrow.nulls(1)}),
        "wide": pyarrow.table({f"column {i}": [i] for i in range(3_000)}),
        "names": pyarrow.table({'"\\\n\0': ["x"], "": ["y"], "🎈": ["z"]}),
        "union": pyarrow.table(
            {"a": pyarrow.UnionArray.from_sparse(pyarrow.array([0], pyarrow.int8()), [pyarrow.array([5])])}
        ),
        "dictionary": pyarrow.table({"a": pyarrow.array(["x"]).dictionary_encode()}),
        "extension": pyarrow.table({"a": pyarrow.ExtensionArray.from_storage(pyarrow.uuid(), pyarrow.array([b"0" * 16], pyarrow.binary(16)))}),
    }
    seen = {}
    for name, table in cases.items():
        try:
            done = packed(tmp_path / name, table)
        except sluice.Error as error:
            seen[name] = error.code
        else:
            assert done.records == done.tasks + done.rejects == 1
            seen[name] = tasks(tmp_path / name, done)
    assert seen["twice"] == [{"data": {"a": "x", "a.1": "y"}}]
    assert seen["none"] == [{"data": {"a": None}}] and seen["union"] == [{"data": {"a": 5}}]
    assert seen["dictionary"] == [{"data": {"a": "x"}}]
    assert len(seen["wide"][0]["data"]) == 3_000

    # Columns of other names are another table; other types of the same names are not.
    with sluice.Packer(tmp_path / "types") as packer:
        packer.write(pyarrow.table({"a": ["x"]}))
        packer.write(pyarrow.table({"a": [1]}))
    assert packer.close().tasks == 2
    with pytest.raises(sluice.Error, match="other names") as raised:
        with sluice.Packer(tmp_path / "other") as packer:
            packer.write(pyarrow.table({"a": ["x"]}))
            packer.write(pyarrow.table({"b": ["x"]}))
            packer.close()
    assert raised.value.code == "format"


def test_an_exception_in_its_block_gives_it_up(tmp_path, table):
    with pytest.raises(KeyError):
        with sluice.Packer(tmp_path / "out") as packer:
            packer.write(table)
            raise KeyError
    assert not json.loads((tmp_path / "out/manifest.json").read_text())["complete"]
    for again in [packer.close, lambda: packer.write(table)]:
        with pytest.raises(sluice.Error, match="closed"):
            again()
    packer.abort()
    with sluice.Packer(tmp_path / "nothing") as packer:
        packer.abort()
    assert not (tmp_path / "nothing").exists()


class Store(http.server.BaseHTTPRequestHandler):
    """A bucket that Python itself keeps, in a thread of this process."""

    protocol_version = "HTTP/1.1"
    taken = []

    def answer(self, body=b""):
        self.send_response(200)
        self.send_header("ETag", '"x"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")

    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.taken.append(self.path)
        self.answer()

    def log_message(self, *said):
        pass


def test_other_threads_go_on_while_it_packs(tmp_path, table, monkeypatch):
    """What is packed is put into a bucket that another thread keeps: it could not be if the interpreter were held."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    done = packed("s3://bucket/run", table, max_tasks=500, memory=4 << 20)
    assert len(done.imports) == 40 and len(Store.taken) == 41
    server.shutdown()
    # Two writers at once: one waits for the other, and neither for the interpreter.
    with sluice.Packer(tmp_path / "two") as packer:
        readers = [table.to_reader(max_chunksize=500) for _ in "ab"]
        writers = [threading.Thread(target=packer.write, args=(reader,)) for reader in readers]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
    assert packer.close().tasks == 40_000


def test_a_bucket_is_filled_as_a_folder_is(s3, tmp_path, table):
    folder = packed(tmp_path / "folder", table, max_tasks=6_000)
    bucket = packed("s3://sluice/packer/run", table, max_tasks=6_000)
    assert digests(bucket) == digests(folder)
    assert [one.name for one in bucket.imports] == [
        f"import-{one.number:06}-{one.blake3[:16]}.json" for one in folder.imports
    ]
    rows = pyarrow.table({"text": ["good", "b\0d"]})
    parts = [packed("s3://sluice/packer/parts", rows, run_id="r", part=part) for part in ("a", "b")]
    for part in parts:
        assert part.rejects_path.startswith("s3://sluice/packer/parts/part-")
        kept = fetched(part.rejects_path.replace("s3:/", s3["AWS_ENDPOINT_URL"]))
        assert json.loads(kept)["code"] == "nul"


def test_the_wheel_needs_nothing_else_and_is_loaded_quickly(tmp_path):
    wheel = os.environ["SLUICE_WHEEL"]
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv/bin/python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", wheel]
    subprocess.run(install, check=True)
    program = """
import sys, time
began = time.perf_counter()
import sluice
took = time.perf_counter() - began
assert not {"pyarrow", "pyspark", "numpy"} & set(sys.modules)
try:
    sluice.Packer("out").write(7)
except TypeError as error:
    assert "__arrow_c_stream__" in str(error)
with sluice.Packer("out") as packer:
    pass
print(took, packer.close().tasks)
"""
    out = subprocess.run([str(python), "-c", program], check=True, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert out.stdout.split()[1] == "0"


def test_stubs_name_all_there_is():
    stubs = (ROOT / "python/sluice/_sluice.pyi").read_text()
    for name in sluice.__all__:
        assert f"{name}:" in stubs or f"class {name}" in stubs or f"def {name}(" in stubs, name
        assert name == "__version__" or getattr(sluice, name).__doc__, name
    for name in dir(sluice.Packer) + dir(sluice.Packed) + dir(sluice.Import) + dir(sluice.Place):
        assert name.startswith("_") or f"{name}:" in stubs or f"def {name}(" in stubs, name
