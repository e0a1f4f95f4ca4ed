"""A driver of Spark: does what each line of its standard input asks for, and answers with a line each."""

import json
import os
import sys
import time

from pyspark.sql import SparkSession
from pyspark.sql import functions as f
from sluice.spark import SluiceDataSource


def gated(gate):
    """The same rows; from the seventh batch of a partition on, none comes until the file `gate` is there."""

    def rows(batches):
        for number, batch in enumerate(batches):
            while number > 5 and not os.path.exists(gate):
                time.sleep(0.05)
            yield batch

    return rows


def frame(spark, asked):
    if "parquet" in asked:
        rows = spark.read.parquet(asked["parquet"])
        rows = rows.where(asked["where"]) if "where" in asked else rows
        return rows.mapInArrow(gated(asked["gate"]), rows.schema) if "gate" in asked else rows
    few = spark.range(asked["rows"], numPartitions=asked["partitions"])
    return few.select("id", f.concat(f.lit(asked["text"]), f.col("id")).alias("text"))


def main():
    spark = SparkSession.builder.getOrCreate()
    spark.dataSource.register(SluiceDataSource)
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        began = time.monotonic()
        writer = frame(spark, asked).write.format("sluice").mode(asked.get("mode", "append"))
        try:
            writer.options(**asked["options"]).save()
        except Exception as error:
            answer = {"error": str(error)}
        else:
            answer = {"seconds": time.monotonic() - began}
        print(json.dumps(answer), flush=True)
    spark.stop()


main()
