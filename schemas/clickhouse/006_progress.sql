-- How far each pipeline has written each partition into ClickHouse. Its word counts, not the offsets committed in Kafka.
CREATE TABLE IF NOT EXISTS ${database}.progress ${on_cluster}
(
    pipeline    LowCardinality(String) COMMENT 'tracking or profiles',
    topic       LowCardinality(String) COMMENT 'Kafka topic name',
    topic_id    LowCardinality(String) COMMENT 'Kafka topic id, 32 hex digits',
    partition   UInt32                 COMMENT 'Kafka partition',
    epoch       UInt32 DEFAULT 0       COMMENT 'Raised by an operator who moves the progress back; the highest epoch counts',
    next_offset UInt64                 COMMENT 'The next offset that the pipeline needs; within an epoch the highest counts',
    written_at  DateTime64(3, 'UTC')   COMMENT 'When the row was written, for people',
    note        String DEFAULT ''      COMMENT 'Who moved the progress and why; empty for the pipelines themselves'
)
ENGINE = ${replicated}ReplacingMergeTree(next_offset)
ORDER BY (pipeline, topic, topic_id, partition, epoch)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    non_replicated_deduplication_window = 0, replicated_deduplication_window = 0
COMMENT 'Progress of the pipelines that write to ClickHouse: argMax(next_offset, (epoch, next_offset)) of a partition is where it stands';
