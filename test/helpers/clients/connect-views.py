"""What clickhouse-connect brings of the views of ledger_bi: arguments port, account; prints JSON."""
import datetime
import json
import sys

import clickhouse_connect

port, account = int(sys.argv[1]), sys.argv[2]
client = clickhouse_connect.get_client(host="127.0.0.1", port=port, username=account, database="ledger_bi", tz_mode="aware")

since = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
where = "tenant_id = {tenant:String} AND sent_at >= {since:DateTime64(3)}"
parameters = {"tenant": "o'tenant \\ ü", "since": since}
columns = "message_id, sent_at, variant, opened, profile_valid_from, conversion_value, profile_version, profile_attributes"
messages = client.query(
    f"SELECT {columns} FROM messages_with_profile WHERE {where} ORDER BY sent_at",
    parameters=parameters,
    settings={"max_execution_time": 20},
)
event = client.query("SELECT is_machine, attributes, occurred_on FROM events ORDER BY occurred_at LIMIT 1").result_rows[0]
arrow = client.query_arrow("SELECT message_id, sent_at, opened FROM messages ORDER BY sent_at")


def plain(value):
    """A time with the milliseconds and the zone that the client gave it."""
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    return value


print(
    json.dumps(
        {
            "types": [type_.name for type_ in messages.column_types],
            "rows": [[plain(value) for value in row] for row in messages.result_rows],
            "event": [plain(value) for value in event],
            "arrow": {"types": [str(field.type) for field in arrow.schema], "rows": arrow.num_rows},
        }
    )
)
