"""A Datasink of Ray Data that packs imports of Label Studio tasks: the same folders and the same commit as on Spark.

    import ray
    from ray_datasink import SluiceDatasink

    sink = SluiceDatasink("s3://lake/runs/2026-11-22", "2026-11-22", label_config=open("config.xml").read())
    ray.data.read_parquet("s3://lake/rows").write_datasink(sink)
    sluice.push("s3://lake/runs/2026-11-22", "http://localhost:8080/projects/7")

Ray may run a task twice, and may change this interface between minor releases.
"""

import uuid

import sluice
from ray.data import Datasink
from ray.data.block import BlockAccessor


class SluiceDatasink(Datasink):
    """Packs into the folder or prefix of a run, which all workers reach."""

    def __init__(self, to, run_id, **settings):
        self.to = to
        self.run_id = run_id
        self.settings = {"threads": 1, **settings}
        # What cannot be is refused here, before there is a task; nothing is written.
        sluice.Packer(to, run_id=run_id, part="check", **self.settings).abort()

    def write(self, blocks, ctx):
        part = f"{ctx.task_idx:05}-{uuid.uuid4().hex}"
        with sluice.Packer(self.to, run_id=self.run_id, part=part, **self.settings) as packer:
            for block in blocks:
                packer.write(BlockAccessor.for_block(block).to_arrow())
        return ctx.task_idx, packer.close().manifest

    def on_write_complete(self, write_result):
        # They come in the order in which tasks ended.
        parts = sorted(write_result.write_returns)
        sluice.commit(self.to, [manifest for _, manifest in parts], max_rejects=self.settings.get("max_rejects"))
