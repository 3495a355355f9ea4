-- What stands for the profile changes that have left ClickHouse: one row for each user whose older changes are in the cold tier only.
CREATE TABLE IF NOT EXISTS ${database}.profile_bases ${on_cluster}
(
    tenant_id     LowCardinality(String) COMMENT 'The customer whose user it is',
    user_id       String                 COMMENT 'The user, unique within the tenant',
    base_at       DateTime64(3, 'UTC')   COMMENT 'Changes before this instant may have left profile_changes; one at this instant stays',
    versions      UInt32                 COMMENT 'How many versions begin before base_at: numbers go on from here',
    deleted       Bool                   COMMENT 'True when the profile was deleted just before base_at',
    attributes    String                 COMMENT 'The whole profile just before base_at as JSON text; {} when deleted' CODEC(ZSTD(1)),
    change_hashes Array(UInt64)          COMMENT 'Of the change_id of each change that may have left: the first 8 bytes of its MD5, lowest first. By them a later copy of one is recognised' CODEC(NONE),
    fold          UInt256                COMMENT 'The sum of precedence of the changes that may have left, of several copies the greatest: their part of a fold' CODEC(ZSTD(1)),
    exported      UInt64                 COMMENT 'The sum of the offsets up to which changes were in the cold tier: a base knows all changes before base_at below those offsets',
    rank          UInt256 MATERIALIZED bitShiftLeft(toUInt256(exported), 192) + fold
                                         COMMENT 'Grows with what the base knows: the greatest counts' CODEC(ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(rank)
ORDER BY (tenant_id, user_id)
SETTINGS index_granularity = 512, fsync_after_insert = 1, fsync_part_directory = 1,
    non_replicated_deduplication_window = 0, replicated_deduplication_window = 0
COMMENT 'Bases of profiles whose older changes are in the cold tier only: read with FINAL. Written by retention before it deletes those changes';
