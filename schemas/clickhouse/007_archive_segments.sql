-- What is in the archive, so that nobody has to list the blobs to know.
CREATE TABLE IF NOT EXISTS ${database}.archive_segments ${on_cluster}
(
    topic          LowCardinality(String)         COMMENT 'Kafka topic name',
    topic_id       LowCardinality(String)         COMMENT 'Kafka topic id, 32 hex digits',
    partition      UInt32                         COMMENT 'Kafka partition',
    first_offset   UInt64                         COMMENT 'First offset that the batch of the segment covers',
    last_offset    UInt64                         COMMENT 'Last offset that the batch of the segment covers',
    path           String                         COMMENT 'Blob path',
    schema_id      Nullable(Int32)                COMMENT 'Schema registry id of the writer schema; null for what could not be decoded',
    record_count   UInt64                         COMMENT 'Records in the segment',
    bytes          UInt64                         COMMENT 'Size of the blob',
    sha256         String                         COMMENT 'Checksum of the blob, hex',
    min_event_at   Nullable(DateTime64(3, 'UTC')) COMMENT 'Earliest event time of its records',
    max_event_at   Nullable(DateTime64(3, 'UTC')) COMMENT 'Latest event time of its records',
    min_recorded_at DateTime64(3, 'UTC')          COMMENT 'Earliest Kafka timestamp of its records',
    max_recorded_at DateTime64(3, 'UTC')          COMMENT 'Latest Kafka timestamp of its records'
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (topic, topic_id, partition, first_offset, path)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    non_replicated_deduplication_window = 0, replicated_deduplication_window = 0
COMMENT 'The segments in the archive: a cache that can be rebuilt from the listing of the blobs';
