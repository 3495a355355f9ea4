-- A role for BI tools: it sees the views of ledger_bi and nothing else, changes nothing, and cannot take the whole server for itself.
-- Run once by an administrator, after `campaign-ledger migrate`:  clickhouse-client --queries-file readonly-role.sql
-- On a cluster, add ON CLUSTER <name> after each name. Where clickhouse.biDatabase is another, put its name for ledger_bi.
-- To change a limit: ALTER SETTINGS PROFILE and ALTER QUOTA; run again, this file leaves alone what is there.

-- readonly is 2, not 1: BI tools send settings along with their queries.
-- Limits have a range and are not CONST: tools send a timeout and a number of rows of their own, and may ask for less.
-- MIN 1 since 0 would mean no limit.
CREATE SETTINGS PROFILE IF NOT EXISTS ledger_reader_profile SETTINGS
    readonly = 2,
    max_execution_time = 300 MIN 1 MAX 300,
    max_memory_usage = 8000000000 MIN 1 MAX 8000000000,
    max_result_rows = 10000000 MIN 1 MAX 10000000,
    max_concurrent_queries_for_user = 20 MIN 1 MAX 20,
    max_memory_usage_for_user = 16000000000 MIN 1 MAX 16000000000,
    -- An answer is whole or an error, never cut off without a word.
    result_overflow_mode CONST,
    timeout_overflow_mode CONST,
    -- Filters that a reader adds run on the tables behind the views, in front of row policies: what these hide could be asked for.
    additional_table_filters CONST;

CREATE ROLE IF NOT EXISTS ledger_reader SETTINGS PROFILE 'ledger_reader_profile';

-- The views read the tables with the rights of the account that migrated: the reader needs none on them.
GRANT SELECT ON ledger_bi.* TO ledger_reader;
GRANT SHOW DATABASES, SHOW TABLES, SHOW COLUMNS ON ledger_bi.* TO ledger_reader;

-- For each user by itself, seconds of execution among it: one dashboard that reloads every second does not eat another's.
CREATE QUOTA IF NOT EXISTS ledger_reader_quota
    KEYED BY user_name
    FOR INTERVAL 1 hour MAX queries = 5000, execution_time = 3600
    TO ledger_reader;

-- Then for each tool or person:
--   CREATE USER metabase IDENTIFIED BY '…' HOST IP '10.0.0.0/8' DEFAULT ROLE ledger_reader;
--   GRANT ledger_reader TO metabase;
--
-- A tool that asks information_schema instead of ClickHouse's own system tables may be shown its part of it:
--   GRANT SELECT ON information_schema.* TO ledger_reader;
