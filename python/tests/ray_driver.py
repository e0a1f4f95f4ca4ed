"""Packs made-up rows on a Ray of this machine alone: the folder, the number of rows, and the folder of the example."""

import os
import sys

import ray

to, count, example = sys.argv[1], int(sys.argv[2]), sys.argv[3]
# Workers look there too.
os.environ["PYTHONPATH"] = example
sys.path.insert(0, example)
ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", object_store_memory=150 << 20)

from ray_datasink import SluiceDatasink

rows = ray.data.range(count, override_num_blocks=6)
rows = rows.map_batches(lambda batch: {"id": batch["id"], "text": [f"row {number}" for number in batch["id"]]})
for _ in range(2):
    rows.write_datasink(SluiceDatasink(to, "ray-1", label_config=sys.argv[4], max_tasks=3_000))
ray.shutdown()
