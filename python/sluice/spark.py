"""Packs a DataFrame of Spark 4 into imports of Label Studio tasks, in a folder or bucket that all executors reach.

    from sluice.spark import SluiceDataSource

    spark.dataSource.register(SluiceDataSource)
    (df.write.format("sluice").mode("append")
        .option("path", "s3://lake/runs").option("runId", "2026-11-22").option("labelConfig", "config.xml")
        .save())
    sluice.push("s3://lake/runs/2026-11-22", "http://localhost:8080/projects/7")

Each attempt of a partition packs into a folder of its own, ``part-<partition>-<attempt>``. The driver's commit names
those that count in ``manifest.json``, which is written once, and last; what other attempts left counts for nothing, and
``sluice gc`` removes it. Nothing here talks to Label Studio: a token is refused as an option, since Spark sends options to
every executor, and is asked for by ``push`` alone.

The run is known by ``runId``. The same run once more changes nothing: it is the same if its imports have the same
digests, however often each, and were made in the same way. Other rows, other options, but also rows in another order
or in other partitions make it another run, which is refused. Sort within partitions where their order may change.

Keep ``spark.speculation`` off, as it is by default: Spark 4 counts an attempt that lost its race as a failed one.

Options, besides ``path`` and ``runId``; lists and dictionaries are JSON:

====================  ==============================================================================================
``labelConfig``       the labelling config, or the file on the driver that it is in
``map``               new names of fields: ``{"text": "body"}``
``pick``              the fields to keep: ``["id", "body"]``
``set``               fields that every task gets: ``{"lang": "en"}``
``dataKey``           the field for values with no name of their own
``maxTasks``          tasks in one import, at most
``maxBytes``          bytes of one import, at most
``maxRejects``        rejected rows that are accepted, in each partition and in all together: a number or ``5%``
``predictionsFrom``   the fields predictions are made from: ``["sentiment"]`` or ``{"control": "field"}``
``modelVersion``      their model version
``scoreFrom``         the field with their score
``validate``          ``false``: do not hold tasks to the labelling config
``nul``               ``replace``: put U+FFFD for NUL characters
``threads``           threads that decode in each task (1)
``memory``            bytes in flight in each task (64 MiB)
====================  ==============================================================================================
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

from pyspark import TaskContext
from pyspark.sql.datasource import DataSource, DataSourceArrowWriter, WriterCommitMessage

from ._sluice import Error, Packer, commit

if TYPE_CHECKING:
    from pyarrow import RecordBatch
    from pyspark.sql.types import StructType

__all__ = ["SluiceDataSource"]

_MEMORY = 64 << 20


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("it is `true` or `false`")
    return text.lower() == "true"


def _config(text: str) -> str:
    """A labelling config itself: the file it is in need not be on the executors."""
    if text.lstrip().startswith("<"):
        return text
    with open(text, encoding="utf-8") as file:
        return file.read()


# By the options' names in lower case, as Spark gives them: the packer's keyword, and what makes its value.
_OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "labelconfig": ("label_config", _config),
    "map": ("map", json.loads),
    "pick": ("pick", json.loads),
    "set": ("set", json.loads),
    "datakey": ("data_key", str),
    "maxtasks": ("max_tasks", int),
    "maxbytes": ("max_bytes", int),
    "maxrejects": ("max_rejects", str),
    "predictionsfrom": ("predictions_from", json.loads),
    "modelversion": ("model_version", str),
    "scorefrom": ("score_from", str),
    "validate": ("validate", _truth),
    "nul": ("nul", str),
    "threads": ("threads", int),
    "memory": ("memory", int),
}

_SECRETS = ("token", "apikey", "api_key", "secret", "password", "credential")


@dataclass
class _Part(WriterCommitMessage):
    """What one attempt of a partition has packed."""

    partition: int
    manifest: str


class SluiceDataSource(DataSource):
    """The format ``sluice``: see :mod:`sluice.spark`."""

    @classmethod
    def name(cls) -> str:
        return "sluice"

    def writer(self, schema: StructType, overwrite: bool) -> DataSourceArrowWriter:
        if overwrite:
            raise _usage("a run is never overwritten: write with `mode(\"append\")`, and another `runId`")
        given = {str(option).lower(): value for option, value in self.options.items()}
        for option in given:
            if option != "datakey" and any(secret in option for secret in _SECRETS):
                raise _usage(
                    f"`{option}` is no option: Spark sends options to every executor. A token is asked for by `push` "
                    "alone, and stores are reached with what the executors have in their environment"
                )
        path, run = given.pop("path", ""), given.pop("runid", "")
        if not path or not run:
            raise _usage("say where runs lie with `path`, and which one this is with `runId`")
        settings: dict[str, Any] = {"threads": 1, "memory": _MEMORY}
        for option, value in given.items():
            if option not in _OPTIONS:
                raise _usage(f"`{option}` is no option of the format `sluice`")
            keyword, made_of = _OPTIONS[option]
            try:
                settings[keyword] = made_of(value)
            except (ValueError, OSError) as cause:
                raise _usage(f"option `{option}`: {cause}") from cause
        if "://" not in path:
            path = os.path.abspath(path)
        to = f"{path.rstrip('/')}/{run}"
        # What cannot be is refused here, before there is a task; nothing is written.
        Packer(to, run_id=run, part="check", **settings).abort()
        return _Writer(to, run, settings)


class _Writer(DataSourceArrowWriter):
    """Goes to every executor, with all that it holds."""

    def __init__(self, to: str, run: str, settings: dict[str, Any]) -> None:
        self.to = to
        self.run = run
        self.settings = settings

    def write(self, iterator: Iterator[RecordBatch]) -> _Part:
        context = TaskContext.get()
        partition = context.partitionId() if context is not None else 0
        part = f"{partition:05}-{uuid.uuid4().hex}"
        with Packer(self.to, run_id=self.run, part=part, **self.settings) as packer:
            for batch in iterator:
                packer.write(batch)
        return _Part(partition, packer.close().manifest)

    def commit(self, messages: list[WriterCommitMessage | None]) -> None:
        parts = [message for message in messages if isinstance(message, _Part)]
        if len(parts) < len(messages) or len({part.partition for part in parts}) < len(parts):
            raise RuntimeError("not every partition has told once what it packed")
        # A DataFrame of no partitions is packed here: there is a manifest all the same.
        parts = parts or [self.write(iter(()))]
        parts.sort(key=lambda part: part.partition)
        most = self.settings.get("max_rejects")
        commit(self.to, [part.manifest for part in parts], max_rejects=most)

    def abort(self, messages: list[WriterCommitMessage | None]) -> None:
        # It may come after a commit that was half done. What no manifest names counts for nothing.
        pass


def _usage(message: str) -> Error:
    error = Error(message)
    error.code = "usage"
    error.message, error.place, error.help, error.exit_code = message, None, None, 2
    return error
