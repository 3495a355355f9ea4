-- The events in short, ordered by campaign and message: what came of each message and campaign is computed from here.
-- It outlives events, so it repeats what the answers need.
CREATE TABLE IF NOT EXISTS ${database}.message_events ${on_cluster}
(
    tenant_id   LowCardinality(String)           COMMENT 'The customer on whose behalf the message was sent',
    campaign_id LowCardinality(String)           COMMENT 'The campaign that the message belongs to',
    user_id     String                           COMMENT 'The recipient' CODEC(ZSTD(1)),
    message_id  String                           COMMENT 'One send to one user' CODEC(ZSTD(1)),
    type        LowCardinality(String)           COMMENT 'What happened, the symbol as the producer wrote it',
    event_id    String                           COMMENT 'Identifies the event together with tenant, user, message and type' CODEC(ZSTD(1)),
    kind        LowCardinality(String)           COMMENT 'delivery or feedback: the topic that the event came through',
    occurred_at DateTime64(3, 'UTC')             COMMENT 'When the event happened, by the clock of whoever saw it' CODEC(ZSTD(1)),
    channel     LowCardinality(String)           COMMENT 'The channel of the message',
    variant     LowCardinality(Nullable(String)) COMMENT 'The variant of the message in a split test',
    is_machine  Bool                             COMMENT 'True when a machine did it and not the user',
    value       Nullable(Float64)                COMMENT 'What a conversion was worth' CODEC(ZSTD(1)),
    precedence  UInt128                          COMMENT 'Decides between copies of one event: the first recorded has the greatest' CODEC(ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(precedence)
ORDER BY (tenant_id, campaign_id, user_id, message_id, type, event_id)
SETTINGS min_bytes_for_wide_part = 268435456, fsync_after_insert = 1, fsync_part_directory = 1,
    non_replicated_deduplication_window = 0, replicated_deduplication_window = 0
COMMENT 'The events of each message in short, by campaign: read the views messages and campaign_stats';

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.message_events_from_events ${on_cluster} TO ${database}.message_events AS
SELECT tenant_id, campaign_id, user_id, message_id, type, event_id, kind, occurred_at, channel, variant, is_machine, value, precedence
FROM ${database}.events;

-- Copies of one event that name different campaigns stand apart in message_events, where FINAL cannot bring them together.
-- This finds the messages that may have such copies without reading message_events: 12 bytes a message.
CREATE TABLE IF NOT EXISTS ${database}.message_campaigns ${on_cluster}
(
    message_hash  UInt64                 COMMENT 'cityHash64(tenant_id, user_id, message_id)' CODEC(NONE),
    campaign_hash UInt32                 COMMENT 'The low 32 bits of cityHash64(campaign_id)' CODEC(ZSTD(1)),
    tenant_id     LowCardinality(String) COMMENT 'The customer on whose behalf the message was sent',
    campaign_id   LowCardinality(String) COMMENT 'A campaign that an event of the message named'
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (message_hash, campaign_hash)
SETTINGS min_bytes_for_wide_part = 268435456, fsync_after_insert = 1, fsync_part_directory = 1,
    non_replicated_deduplication_window = 0, replicated_deduplication_window = 0
COMMENT 'Which campaigns the events of a message named: more than one means that copies of an event may contradict one another';

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.message_campaigns_from_events ${on_cluster} TO ${database}.message_campaigns AS
SELECT
    cityHash64(tenant_id, user_id, message_id) AS message_hash,
    toUInt32(bitAnd(cityHash64(campaign_id), 0xFFFFFFFF)) AS campaign_hash,
    tenant_id, campaign_id
FROM ${database}.events;
