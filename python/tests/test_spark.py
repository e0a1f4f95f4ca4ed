"""A million rows that a real Spark packs, whose executors are killed, and what becomes of them."""

import json
import os
import subprocess

from cluster import MAX_TASKS, ROWS
from conftest import CONFIG


def test_a_million_rows_come_once_each_though_executors_are_killed(cluster, driver, bucket, binary, killed):
    run = "runs/killed"
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
    again = driver.save(**killed)
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
