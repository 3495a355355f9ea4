-- Retention writes down here which messages are to leave message_events and message_campaigns, so that both lose the same ones.
CREATE TABLE IF NOT EXISTS ${database}.messages_let_go ${on_cluster}
(
    message_hash UInt64 COMMENT 'cityHash64(tenant_id, user_id, message_id) of a message whose last event is older than retention.messages.ttlDays'
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY message_hash
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    non_replicated_deduplication_window = 0, replicated_deduplication_window = 0
COMMENT 'Messages that a retention run is about to remove; empty between runs';
