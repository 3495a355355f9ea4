-- Delivery and feedback events, written by the tracking pipeline.
CREATE TABLE IF NOT EXISTS ${database}.events ${on_cluster}
(
    tenant_id   LowCardinality(String)           COMMENT 'The customer on whose behalf the message was sent',
    user_id     String                           COMMENT 'The recipient, unique within the tenant',
    occurred_at DateTime64(3, 'UTC')             COMMENT 'When the event happened, by the clock of whoever saw it' CODEC(Delta(8), ZSTD(1)),
    message_id  String                           COMMENT 'One send to one user' CODEC(ZSTD(1)),
    type        LowCardinality(String)           COMMENT 'What happened, the symbol as the producer wrote it, for example SENT or OPENED',
    event_id    String                           COMMENT 'Identifies the event together with tenant, user, message and type' CODEC(ZSTD(1)),
    kind        LowCardinality(String)           COMMENT 'delivery or feedback: the topic that the event came through',
    campaign_id LowCardinality(String)           COMMENT 'The campaign that the message belongs to, unique within the tenant',
    channel     LowCardinality(String)           COMMENT 'The channel of the message, the symbol as the producer wrote it',
    variant     LowCardinality(Nullable(String)) COMMENT 'The variant of the message in a split test; only delivery events have one',
    reason      Nullable(String)                 COMMENT 'Why a message was deferred, bounced or dropped, in the words of the provider; only delivery events have one' CODEC(ZSTD(1)),
    provider    LowCardinality(Nullable(String)) COMMENT 'The provider that handled the message; only delivery events have one',
    link        Nullable(String)                 COMMENT 'The link that was clicked; only feedback events have one' CODEC(ZSTD(1)),
    user_agent  LowCardinality(Nullable(String)) COMMENT 'The user agent that opened or clicked; only feedback events have one',
    is_machine  Bool DEFAULT false               COMMENT 'True when a machine did it and not the user: a privacy proxy, a link scanner',
    value       Nullable(Float64)                COMMENT 'What a conversion was worth, in the unit the tenant chose',
    attributes  Map(String, String)              COMMENT 'Further properties of the event, as text' CODEC(ZSTD(1)),
    source      LowCardinality(String)           COMMENT 'Where the event was read: <Kafka topic id, 32 hex digits>/<partition>',
    offset      UInt64                           COMMENT 'Kafka offset of the event within its source' CODEC(ZSTD(1)),
    recorded_at DateTime64(3, 'UTC')             COMMENT 'The Kafka timestamp of the event' CODEC(Delta(8), ZSTD(1)),
    topic_id    String ALIAS substring(source, 1, 32)             COMMENT 'Kafka topic id, 32 hex digits',
    partition   UInt32 ALIAS toUInt32(substring(source, 34))      COMMENT 'Kafka partition',
    -- Greater is earlier: recorded_at in 43 bits of milliseconds, the leading 21 bits of the topic id, 16 bits of partition, 48 bits of
    -- offset, all inverted. What depends on source alone is computed once per dictionary entry and not per row.
    precedence  UInt128 MATERIALIZED bitNot(
        bitShiftLeft(toUInt128(least(greatest(toUnixTimestamp64Milli(recorded_at), 0), 8796093022207)), 85)
        + bitShiftLeft(toUInt128(bitShiftRight(reinterpretAsUInt32(reverse(unhex(substring(source, 1, 8)))), 11)), 64)
        + bitShiftLeft(toUInt128(toUInt16(substring(source, 34))), 48)
        + offset)                                COMMENT 'Decides between copies of one event: the first recorded has the greatest' CODEC(ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(precedence)
PARTITION BY toYYYYMMDD(occurred_at)
-- The identity alone, without occurred_at: copies of one event may differ in time, and FINAL must bring them together all the same.
ORDER BY (tenant_id, user_id, message_id, type, event_id)
-- A user is one granule in each day: small ones are read quickly. Compact parts: a file per column and insert costs more than the data.
SETTINGS index_granularity = 2048, min_bytes_for_wide_part = 268435456,
    fsync_after_insert = 1, fsync_part_directory = 1, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1,
    non_replicated_deduplication_window = 0, replicated_deduplication_window = 0
COMMENT 'Delivery and feedback events as received; FINAL leaves one row for each event, the first recorded. A filter on occurred_at belongs outside of FINAL: it would leave out the days of other copies'
