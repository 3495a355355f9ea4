-- What each user's profile was from when to when, folded from profile_changes by the profiles pipeline.
CREATE TABLE IF NOT EXISTS ${database}.profile_versions ${on_cluster}
(
    tenant_id   LowCardinality(String)         COMMENT 'The customer whose user it is',
    user_id     String                         COMMENT 'The user, unique within the tenant',
    valid_from  DateTime64(3, 'UTC')           COMMENT 'The version holds from this instant on',
    valid_to    Nullable(DateTime64(3, 'UTC')) COMMENT 'The version holds until just before this instant, the valid_from of the next; null for the newest',
    version     UInt32                         COMMENT 'Place in the history as known now, from 1; a late change renumbers those after it',
    deleted     Bool                           COMMENT 'True when the profile was deleted at valid_from',
    attributes  String                         COMMENT 'The whole profile as JSON text; {} when deleted' CODEC(ZSTD(1)),
    change_ids  Array(String)                  COMMENT 'The changes of this instant, in the order in which they were applied' CODEC(ZSTD(1)),
    recorded_at DateTime64(3, 'UTC')           COMMENT 'When the last of its changes was recorded in Kafka',
    fold        UInt256                        COMMENT 'Grows with what the fold knew: the sum of precedence of the changes folded. The greatest wins, so that a late write of an older fold changes nothing' CODEC(ZSTD(1)),
    withdrawn   UInt8 DEFAULT 0                COMMENT '1 when a copy of a change that was recorded earlier moved the change to another time: there is no such version any more'
)
ENGINE = ${replicated}ReplacingMergeTree(fold, withdrawn)
ORDER BY (tenant_id, user_id, valid_from)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    non_replicated_deduplication_window = 0, replicated_deduplication_window = 0
COMMENT 'Profile versions: read with FINAL, which lets the newest fold win and leaves out what was withdrawn';
