-- A role for BI tools: it sees the views of ledger_bi and nothing else, and changes nothing.
-- Run once by an administrator, after `campaign-ledger migrate`:  clickhouse-client --queries-file readonly-role.sql
-- On a cluster, add ON CLUSTER <name> after each name. Where clickhouse.biDatabase is another, put its name for ledger_bi.

-- 2, not 1: BI tools send settings along with their queries. The limits cannot be lifted by them.
CREATE SETTINGS PROFILE IF NOT EXISTS ledger_reader_profile SETTINGS
    readonly = 2,
    max_execution_time = 300 CONST,
    max_memory_usage = 8000000000 CONST,
    max_result_rows = 10000000 CONST;

CREATE ROLE IF NOT EXISTS ledger_reader SETTINGS PROFILE 'ledger_reader_profile';

-- The views read the tables with the rights of the account that migrated: the reader needs none on them.
GRANT SELECT ON ledger_bi.* TO ledger_reader;
GRANT SHOW DATABASES, SHOW TABLES, SHOW COLUMNS ON ledger_bi.* TO ledger_reader;

CREATE QUOTA IF NOT EXISTS ledger_reader_quota
    KEYED BY user_name
    FOR INTERVAL 1 hour MAX queries = 5000, execution_time = 3600
    TO ledger_reader;

-- Then for each tool or person:
--   CREATE USER metabase IDENTIFIED BY '…' HOST IP '10.0.0.0/8' DEFAULT ROLE ledger_reader;
--   GRANT ledger_reader TO metabase;
