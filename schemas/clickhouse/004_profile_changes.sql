-- Profile changes as received; the profiles pipeline folds them into profile_versions.
CREATE TABLE IF NOT EXISTS ${database}.profile_changes ${on_cluster}
(
    tenant_id      LowCardinality(String) COMMENT 'The customer whose user it is',
    user_id        String                 COMMENT 'The user, unique within the tenant',
    changed_at     DateTime64(3, 'UTC')   COMMENT 'When the profile changed, by the clock of its source',
    change_id      String                 COMMENT 'Identifies the change together with tenant and user' CODEC(ZSTD(1)),
    op             LowCardinality(String) COMMENT 'SNAPSHOT, PATCH or DELETE',
    source_version Nullable(Int64)        COMMENT 'Version number of the profile in its source: decides between changes with one changed_at',
    attributes     Nullable(String)       COMMENT 'One JSON object: the whole profile or a merge patch; null for DELETE' CODEC(ZSTD(1)),
    source         LowCardinality(String) COMMENT 'Where the change was read: <Kafka topic id, 32 hex digits>/<partition>',
    offset         UInt64                 COMMENT 'Kafka offset of the change within its source',
    recorded_at    DateTime64(3, 'UTC')   COMMENT 'The Kafka timestamp of the change' CODEC(Delta(8), ZSTD(1)),
    topic_id       String ALIAS substring(source, 1, 32)        COMMENT 'Kafka topic id, 32 hex digits',
    partition      UInt32 ALIAS toUInt32(substring(source, 34)) COMMENT 'Kafka partition',
    precedence     UInt128 MATERIALIZED bitNot(
        bitShiftLeft(toUInt128(least(greatest(toUnixTimestamp64Milli(recorded_at), 0), 8796093022207)), 85)
        + bitShiftLeft(toUInt128(bitShiftRight(reinterpretAsUInt32(reverse(unhex(substring(source, 1, 8)))), 11)), 64)
        + bitShiftLeft(toUInt128(toUInt16(substring(source, 34))), 48)
        + offset)                         COMMENT 'Decides between copies of one change: the first recorded has the greatest' CODEC(ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(precedence)
ORDER BY (tenant_id, user_id, changed_at, change_id)
-- A flush reads the histories of its users, who lie scattered over the table: for each of them a granule of every part.
SETTINGS index_granularity = 512, fsync_after_insert = 1, fsync_part_directory = 1,
    non_replicated_deduplication_window = 0, replicated_deduplication_window = 0
COMMENT 'Profile changes as received. Copies of one change that differ in time stand beside one another: the first recorded counts';
