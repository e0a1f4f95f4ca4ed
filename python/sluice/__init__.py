"""Packs Arrow data into imports of Label Studio tasks, and sends them.

    import sluice

    with sluice.Packer("packed", label_config="config.xml") as packer:
        packer.write(table)                  # pyarrow, Polars, DuckDB, pandas: whatever speaks Arrow
    print(packer.close())
    sluice.push("packed", "http://localhost:8080/projects/7")

Every row becomes a task or a reject with its place and reason, and no import is over Label Studio's caps: what decides
that is the same code as that of the command `sluice`. On Spark, see :mod:`sluice.spark`.
"""

from ._sluice import Error, Import, Packed, Packer, Place, __version__, commit, plan, push, verify

__all__ = ["Error", "Import", "Packed", "Packer", "Place", "__version__", "commit", "plan", "push", "verify"]
