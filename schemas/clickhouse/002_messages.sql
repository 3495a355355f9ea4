-- Tracking rows, one per message: every event of the message in short, from which the views compute what came of it.
CREATE TABLE IF NOT EXISTS ${database}.messages ${on_cluster}
(
    tenant_id   LowCardinality(String) COMMENT 'The customer on whose behalf the message was sent',
    campaign_id LowCardinality(String) COMMENT 'The campaign that the message belongs to',
    user_id     String                 COMMENT 'The recipient' CODEC(ZSTD(1)),
    message_id  String                 COMMENT 'One send to one user' CODEC(ZSTD(1)),
    copies      SimpleAggregateFunction(groupUniqArrayArray, Array(Tuple(type String, event_id String, kind String, occurred_at DateTime64(3, 'UTC'), is_machine Bool, channel String, variant String, precedence UInt128)))
        COMMENT 'Every copy of every event of the message; the views let the first recorded copy of each event count' CODEC(ZSTD(1)),
    last_event_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'The latest time of any copy: retention counts from it'
)
ENGINE = ${replicated}AggregatingMergeTree
ORDER BY (tenant_id, campaign_id, user_id, message_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Tracking rows, one per message, as states: read the view messages of the BI database';

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.messages_from_events ${on_cluster} TO ${database}.messages AS
SELECT tenant_id, campaign_id, user_id, message_id,
    [(type, event_id, kind, occurred_at, is_machine, channel, ifNull(variant, ''), precedence)] AS copies,
    occurred_at AS last_event_at
FROM ${database}.events;
