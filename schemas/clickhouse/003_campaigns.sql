-- Campaign definitions as received: every one is kept, so that a report can name a campaign as it was known at any time.
CREATE TABLE IF NOT EXISTS ${database}.campaigns ${on_cluster}
(
    tenant_id   LowCardinality(String)         COMMENT 'The customer whose campaign it is',
    campaign_id String                         COMMENT 'Unique within the tenant',
    updated_at  DateTime64(3, 'UTC')           COMMENT 'When the definition became valid, by the clock of its producer',
    name        String                         COMMENT 'Name for people',
    channel     LowCardinality(String)         COMMENT 'The channel that the campaign is planned for, the symbol as the producer wrote it',
    subject     Nullable(String)               COMMENT 'Subject line or headline, where the channel has one',
    starts_at   Nullable(DateTime64(3, 'UTC')) COMMENT 'When sending is planned to begin',
    ends_at     Nullable(DateTime64(3, 'UTC')) COMMENT 'When the campaign is planned to end',
    attributes  Map(String, String)            COMMENT 'Further properties of the campaign, as text',
    source      LowCardinality(String)         COMMENT 'Where the definition was read: <Kafka topic id, 32 hex digits>/<partition>',
    offset      UInt64                         COMMENT 'Kafka offset of the definition within its source',
    recorded_at DateTime64(3, 'UTC')           COMMENT 'The Kafka timestamp of the definition',
    topic_id    String ALIAS substring(source, 1, 32)        COMMENT 'Kafka topic id, 32 hex digits',
    partition   UInt32 ALIAS toUInt32(substring(source, 34)) COMMENT 'Kafka partition'
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (tenant_id, campaign_id, updated_at, recorded_at, source, offset)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    non_replicated_deduplication_window = 0, replicated_deduplication_window = 0
COMMENT 'Campaign definitions, one row for each that was received; the latest by updated_at, then by recording, is current';
