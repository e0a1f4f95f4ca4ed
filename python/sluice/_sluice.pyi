from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from types import TracebackType
from typing import Any, Literal, Protocol, final, type_check_only

__version__: str

@type_check_only
class _Stream(Protocol):
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

@type_check_only
class _Array(Protocol):
    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...

_Flag = str | int | float | bool | None | Sequence[str | int | float]
_Progress = Callable[[dict[str, Any]], object]

class Error(Exception):
    """What sluice cannot do. Its text says what, where and how to mend it, as that of the command does."""

    code: str
    """Stable and short, such as ``field-missing``."""
    message: str
    """One sentence."""
    place: Place | None
    """Where in the data."""
    help: str | None
    """How to mend it."""
    exit_code: int
    """The exit code of the command."""

@final
class Place:
    """Where in the data."""

    source: str
    """The source's name; ``batches`` for what was written to a packer."""
    record: int | None
    """Which record of the source, from 1; of what was written to a packer, the row."""
    line: int | None
    byte: int | None
    batch: int | None
    """The record batch or row group, from 0."""
    row: int | None
    """The row in it, from 0."""
    text: str
    """All of it, for a person."""

@final
class Import:
    """One import that was packed."""

    number: int
    """From 1."""
    name: str
    """Below the run's folder or prefix."""
    tasks: int
    bytes: int
    """Its exact size."""
    blake3: str
    """The digest of its bytes, in hexadecimal."""

@final
class Packed:
    """What a packer has packed."""

    run_id: str
    imports: list[Import]
    records: int
    """Rows taken: each is a task, a reject or a duplicate."""
    tasks: int
    rejects: int
    duplicates: int
    bytes: int
    rejects_path: str | None
    """Where the rejects are, if there are any."""
    manifest: str
    """The manifest as JSON, with names from the run's folder on; of a part of a run it is what :func:`commit` takes."""
    report: str
    """The report as JSON."""
    def as_dict(self) -> dict[str, Any]:
        """All that is known, as the report of the command."""

@final
class Packer:
    """Packs Arrow data into imports of Label Studio tasks, in a folder or in a bucket.

    As a context manager it ends with :meth:`close`, or with :meth:`abort` where an exception passes.
    """

    def __init__(
        self,
        to: str | PathLike[str],
        *,
        label_config: str | PathLike[str] | None = None,
        map: Mapping[str, str] | None = None,
        pick: Sequence[str] | None = None,
        set: Mapping[str, Any] | None = None,
        data_key: str | None = None,
        max_tasks: int | None = None,
        max_bytes: int | None = None,
        max_rejects: int | str | None = None,
        predictions_from: Sequence[str] | Mapping[str, str] | None = None,
        model_version: str | None = None,
        score_from: str | None = None,
        validate: bool = True,
        provenance: bool = False,
        dedupe: str | None = None,
        nul: Literal["reject", "replace"] = "reject",
        run_id: str | None = None,
        part: str | None = None,
        overwrite: bool = False,
        threads: int | None = None,
        memory: int | None = None,
    ) -> None:
        """Opens nothing yet but the labelling config; what the command's flags say holds here too.

        to: a folder, or a prefix in a bucket such as ``s3://bucket/runs/7``.
        label_config: the labelling config, or the file it is in.
        map: new names of fields, by their old ones as values: ``{"text": "body"}``.
        pick: the fields to keep, by the source's names.
        set: fields that every task gets.
        data_key: the field for values with no name of their own.
        max_tasks, max_bytes: what one import holds at most (250,000; 50,000,000).
        max_rejects: rejected rows that are accepted, as a number or a share such as ``"5%"`` (100).
        predictions_from: the fields predictions are made from, each for the control that is called as it is, or
            ``{"control": "field"}``; with ``model_version``, and ``score_from``, the field with their score.
        validate: whether tasks are held to the labelling config.
        provenance: whether each task says where it is from.
        dedupe: leave out rows that came before: ``"content"``, or a field.
        nul: what becomes of NUL characters, for which PostgreSQL refuses an import.
        run_id: the run's id; made up if not given.
        part: this is a part of a run, with this name: it goes to ``part-NAME`` and has no manifest of its own.
        overwrite: remove what an earlier run left there.
        threads, memory: threads that decode (all processors), bytes in flight (256 MiB).
        """
    @property
    def run_id(self) -> str: ...
    def write(self, data: _Stream | _Array) -> int:
        """Packs the rows of a table; gives how many there were. Several threads may write, one after another."""
    def close(self) -> Packed:
        """Writes what is left, and the manifest; gives what was packed. Once more gives the same."""
    def abort(self) -> None:
        """Gives it up: what was written stays, and counts for nothing."""
    def __enter__(self) -> Packer: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> bool: ...

def commit(run: str | PathLike[str], parts: Sequence[str], *, max_rejects: int | str | None = None) -> bool:
    """Writes the manifest of a run whose parts were packed by ``Packer(run, part=...)``.

    parts: each part's :attr:`Packed.manifest`, in the order in which they are to stand.
    max_rejects: rejected rows that are accepted in all parts together.

    What no manifest names does not count, so this decides which attempts of a part do. It is put only where there is
    none. A run that was committed before is the same, and is left as it is, if it was packed in the same way and as many
    imports of each digest are in it; gives False then. Another one is refused.
    """

def plan(
    sources: str | PathLike[str] | Sequence[str | PathLike[str]],
    to: str | PathLike[str] | Sequence[str] | None = None,
    *,
    progress: _Progress | None = None,
    **flags: _Flag,
) -> dict[str, Any]:
    """What an import of these sources would come to, as ``sluice plan`` tells it. Nothing is sent."""

def push(
    packed: str | PathLike[str],
    to: str | Sequence[str],
    *,
    progress: _Progress | None = None,
    **flags: _Flag,
) -> dict[str, Any]:
    """Sends imports packed earlier to projects of Label Studio, as ``sluice push PACKED --to TO`` does.

    Every other keyword is a flag of the command: ``interval="30s"`` is ``--interval 30s``, ``again=True`` is ``--again``.
    progress: called a few times a second with what is counted so far. What it raises, or Ctrl-C, ends the push after the
        import on its way; it goes on when it is called again.

    The token is in ``LABEL_STUDIO_API_KEY``. Gives the report of the run.
    """

def verify(run: str, *, progress: _Progress | None = None, **flags: _Flag) -> dict[str, Any]:
    """Counts a run's imports at the target, as ``sluice verify RUN`` does.

    Gives ``ok``, ``why`` not, and for each of the ``imports`` what was sent and what is there. With ``deep=True`` the
    tasks are ``compared`` with the sources.
    """
