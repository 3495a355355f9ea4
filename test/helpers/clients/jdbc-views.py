"""What ClickHouse's JDBC driver says of ledger_bi, as Metabase and DBeaver ask: arguments libjvm, class path, port, account; prints JSON."""
import json
import sys

import jpype
import jpype.imports

libjvm, class_path, port, account = sys.argv[1:]
jpype.startJVM(libjvm, "-Xmx256m", classpath=[class_path])

from java.time import OffsetDateTime  # noqa: E402
from java.util import Properties  # noqa: E402

properties = Properties()
properties.setProperty("user", account)
driver = jpype.JClass("com.clickhouse.jdbc.ClickHouseDriver")()
connection = driver.connect(f"jdbc:clickhouse://127.0.0.1:{port}/ledger_bi", properties)
metadata = connection.getMetaData()


def rows(result, *names):
    found = []
    while result.next():
        found.append([None if value is None else str(value) for value in (result.getString(name) for name in names)])
    return found


tables = rows(metadata.getTables(None, "ledger_bi", "%", None), "TABLE_NAME", "TABLE_TYPE", "REMARKS")
columns = {
    table: rows(metadata.getColumns(None, "ledger_bi", table, "%"), "COLUMN_NAME", "TYPE_NAME", "IS_NULLABLE", "REMARKS")
    for table, _, _ in tables
}

prepared = connection.prepareStatement(
    "SELECT message_id, sent_at, opened, conversion_value, variant FROM messages WHERE tenant_id = ? AND sent_at >= ? ORDER BY sent_at"
)
prepared.setString(1, "o'tenant \\ ü")
prepared.setObject(2, OffsetDateTime.parse("2026-01-01T00:00:00Z"))
result = prepared.executeQuery()
messages = []
while result.next():
    sent_at = result.getObject("sent_at", OffsetDateTime.class_)
    messages.append(
        [
            str(result.getString("message_id")),
            sent_at.toInstant().toEpochMilli(),
            result.getLong("opened"),
            result.getDouble("conversion_value"),
            None if result.getString("variant") is None else str(result.getString("variant")),
        ]
    )

# Every tool sets both, on each of its queries.
limited = connection.createStatement()
limited.setMaxRows(2)
limited.setQueryTimeout(20)
result = limited.executeQuery("SELECT message_id FROM messages ORDER BY sent_at")
few = 0
while result.next():
    few += 1

print(
    json.dumps(
        {
            "schemas": [name for (name,) in rows(metadata.getSchemas(), "TABLE_SCHEM")],
            "tables": tables,
            "columns": columns,
            "messages": messages,
            "limited": few,
        },
        default=int,
    )
)
