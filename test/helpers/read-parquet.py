"""Prints the rows of a Parquet file as pyarrow reads them: one JSON array a line, in the order of the columns."""
import json
import math
import sys

import pyarrow as pa
import pyarrow.parquet as pq


def plain(value):
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list):
        return dict(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


table = pq.read_table(sys.argv[1])
columns = []
for column in table.columns:
    if pa.types.is_timestamp(column.type):
        assert column.type == pa.timestamp("ms", tz="UTC"), column.type
        column = column.cast(pa.int64())
    columns.append([plain(value) for value in column.to_pylist()])
for row in zip(*columns):
    print(json.dumps(row))
