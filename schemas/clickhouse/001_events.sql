-- Delivery and feedback events, one row for each event identity and time. Filled by the tracking pipeline.
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
    -- Of several copies the first recorded wins: the greater the earlier. 43 bits of milliseconds, the leading 21 bits of the
    -- topic id, 16 bits of partition, 48 bits of offset. Whatever depends on one argument alone is computed once per dictionary entry.
    precedence  UInt128 MATERIALIZED bitNot(
        bitShiftLeft(toUInt128(greatest(toUnixTimestamp64Milli(recorded_at), 0)), 85)
        + bitShiftLeft(toUInt128(bitShiftRight(reinterpretAsUInt32(reverse(unhex(substring(source, 1, 8)))), 11)), 64)
        + bitShiftLeft(toUInt128(toUInt16(substring(source, 34))), 48)
        + offset)                                COMMENT 'Decides between copies of one event: the first recorded has the greatest' CODEC(ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(precedence)
PARTITION BY toYYYYMMDD(occurred_at)
ORDER BY (tenant_id, user_id, occurred_at, message_id, type, event_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Delivery and feedback events. Copies of one event that differ in time stand beside one another: read the view events of the BI database';
