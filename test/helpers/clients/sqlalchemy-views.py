"""What SQLAlchemy's inspector and a query see of ledger_bi, as Superset asks: arguments port, account; prints JSON."""
import datetime
import json
import sys

from sqlalchemy import MetaData, Table, create_engine, func, inspect, select, text

port, account = sys.argv[1], sys.argv[2]
engine = create_engine(f"clickhousedb://{account}@127.0.0.1:{port}/ledger_bi")
inspector = inspect(engine)

tables = {}
for name in sorted(set(inspector.get_table_names("ledger_bi")) | set(inspector.get_view_names("ledger_bi"))):
    tables[name] = {
        "comment": inspector.get_table_comment(name, "ledger_bi")["text"],
        "columns": [
            {
                "name": column["name"],
                "type": type(column["type"]).__name__,
                "nullable": column["nullable"],
                "comment": column["comment"],
            }
            for column in inspector.get_columns(name, "ledger_bi")
        ],
    }

messages = Table("messages", MetaData(), autoload_with=engine, schema="ledger_bi")
tenant = "o'tenant \\ ü"
with engine.connect() as connection:
    built = connection.execute(
        select(messages.c.campaign_id, func.count().label("messages"), func.sum(messages.c.opened).label("opens"))
        .where(messages.c.tenant_id == tenant, messages.c.sent_at >= datetime.datetime(2026, 1, 1))
        .group_by(messages.c.campaign_id)
        .order_by(messages.c.campaign_id)
        .limit(10)
    ).all()
    # As Superset's SQL editor sends it, with the percent sign that a driver must not take for a parameter.
    written = connection.execute(
        text("SELECT count() FROM ledger_bi.messages WHERE tenant_id = :tenant AND campaign_id LIKE 'c%'"),
        {"tenant": tenant},
    ).scalar()

print(
    json.dumps(
        {
            "schemas": inspector.get_schema_names(),
            "tables": tables,
            "hasTable": [inspector.has_table("messages", "ledger_bi"), inspector.has_table("nothing", "ledger_bi")],
            "keys": inspector.get_pk_constraint("messages", "ledger_bi")["constrained_columns"],
            "built": [list(row) for row in built],
            "written": written,
        }
    )
)
