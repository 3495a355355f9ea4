-- What BI tools see: plain views with plain types. Their database holds nothing else, so that a reader can be given all of it;
-- they read with the rights of whoever migrated, so that the reader needs none on the tables.

-- identity() keeps a filter on occurred_at above FINAL: below it, it would leave out whole days and with them the first copies.
-- _partition_value lets one on occurred_on do just that.
CREATE OR REPLACE VIEW ${bi_database}.events ${on_cluster}
(
    tenant_id   String               COMMENT 'The customer on whose behalf the message was sent',
    campaign_id String               COMMENT 'The campaign that the message belongs to',
    user_id     String               COMMENT 'The recipient',
    message_id  String               COMMENT 'One send to one user',
    event_id    String               COMMENT 'Identifies the event together with tenant, user, message and type',
    kind        String               COMMENT 'delivery or feedback',
    type        String               COMMENT 'What happened, the symbol as the producer wrote it, for example SENT or OPENED',
    occurred_at DateTime64(3, 'UTC') COMMENT 'When the event happened, by the clock of whoever saw it. A filter on it is exact and reads every day: see occurred_on',
    occurred_on Date                 COMMENT 'The day (UTC) of occurred_at. A filter on it reads these days alone: of an event whose copies name different days it may then show a later copy',
    channel     String               COMMENT 'The channel of the message',
    variant     Nullable(String)     COMMENT 'The variant of the message in a split test; only delivery events have one',
    reason      Nullable(String)     COMMENT 'Why a message was deferred, bounced or dropped, in the words of the provider; only delivery events have one',
    provider    Nullable(String)     COMMENT 'The provider that handled the message; only delivery events have one',
    link        Nullable(String)     COMMENT 'The link that was clicked; only feedback events have one',
    user_agent  Nullable(String)     COMMENT 'The user agent that opened or clicked; only feedback events have one',
    is_machine  Bool                 COMMENT 'True when a machine did it and not the user: a privacy proxy, a link scanner',
    value       Nullable(Float64)    COMMENT 'What a conversion was worth, in the unit the tenant chose',
    attributes  Map(String, String)  COMMENT 'Further properties of the event, as text',
    recorded_at DateTime64(3, 'UTC') COMMENT 'The Kafka timestamp of the event',
    topic_id    String               COMMENT 'Kafka topic id, 32 hex digits',
    partition   UInt32               COMMENT 'Kafka partition',
    offset      UInt64               COMMENT 'Kafka offset'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant_id,
    campaign_id,
    user_id,
    message_id,
    event_id,
    kind,
    type,
    identity(occurred_at) AS occurred_at,
    YYYYMMDDToDate(_partition_value.1) AS occurred_on,
    channel,
    variant,
    reason,
    provider,
    link,
    user_agent,
    is_machine,
    value,
    attributes,
    recorded_at,
    topic_id,
    partition,
    offset
FROM ${database}.events AS e FINAL
SETTINGS optimize_move_to_prewhere_if_final = 1, do_not_merge_across_partitions_select_final = 0
COMMENT 'Every event once, the first recorded copy, as long as retention keeps it';

CREATE OR REPLACE VIEW ${bi_database}.messages ${on_cluster}
(
    tenant_id                String                         COMMENT 'The customer on whose behalf the message was sent',
    campaign_id              String                         COMMENT 'The campaign that the message belongs to',
    user_id                  String                         COMMENT 'The recipient',
    message_id               String                         COMMENT 'One send to one user',
    channel                  String                         COMMENT 'The channel, as the first recorded event of the message names it',
    variant                  Nullable(String)               COMMENT 'The variant in a split test, as the first recorded delivery event that has one names it',
    sent_at                  DateTime64(3, 'UTC')           COMMENT 'When it was sent: the earliest SENT event, else the earliest delivery event, else the earliest feedback event',
    queued                   UInt64                         COMMENT 'How many times it was queued: events, each counted once',
    first_queued_at          Nullable(DateTime64(3, 'UTC')) COMMENT 'When it was queued for the first time',
    last_queued_at           Nullable(DateTime64(3, 'UTC')) COMMENT 'When it was queued for the last time',
    sent                     UInt64                         COMMENT 'How many times it was sent: events, each counted once',
    first_sent_at            Nullable(DateTime64(3, 'UTC')) COMMENT 'When it was sent for the first time',
    last_sent_at             Nullable(DateTime64(3, 'UTC')) COMMENT 'When it was sent for the last time',
    delivered                UInt64                         COMMENT 'How many times it was delivered: events, each counted once',
    first_delivered_at       Nullable(DateTime64(3, 'UTC')) COMMENT 'When it was delivered for the first time',
    last_delivered_at        Nullable(DateTime64(3, 'UTC')) COMMENT 'When it was delivered for the last time',
    deferred                 UInt64                         COMMENT 'How many times its delivery was put off: events, each counted once',
    first_deferred_at        Nullable(DateTime64(3, 'UTC')) COMMENT 'When its delivery was put off for the first time',
    last_deferred_at         Nullable(DateTime64(3, 'UTC')) COMMENT 'When its delivery was put off for the last time',
    bounced                  UInt64                         COMMENT 'How many times it bounced: events, each counted once',
    first_bounced_at         Nullable(DateTime64(3, 'UTC')) COMMENT 'When it bounced for the first time',
    last_bounced_at          Nullable(DateTime64(3, 'UTC')) COMMENT 'When it bounced for the last time',
    dropped                  UInt64                         COMMENT 'How many times it was dropped instead of sent: events, each counted once',
    first_dropped_at         Nullable(DateTime64(3, 'UTC')) COMMENT 'When it was dropped instead of sent for the first time',
    last_dropped_at          Nullable(DateTime64(3, 'UTC')) COMMENT 'When it was dropped instead of sent for the last time',
    opened                   UInt64                         COMMENT 'How many times the user opened it: events, each counted once',
    first_opened_at          Nullable(DateTime64(3, 'UTC')) COMMENT 'When the user opened it for the first time',
    last_opened_at           Nullable(DateTime64(3, 'UTC')) COMMENT 'When the user opened it for the last time',
    machine_opened           UInt64                         COMMENT 'How many times a machine opened it: events, each counted once',
    first_machine_opened_at  Nullable(DateTime64(3, 'UTC')) COMMENT 'When a machine opened it for the first time',
    last_machine_opened_at   Nullable(DateTime64(3, 'UTC')) COMMENT 'When a machine opened it for the last time',
    clicked                  UInt64                         COMMENT 'How many times the user clicked in it: events, each counted once',
    first_clicked_at         Nullable(DateTime64(3, 'UTC')) COMMENT 'When the user clicked in it for the first time',
    last_clicked_at          Nullable(DateTime64(3, 'UTC')) COMMENT 'When the user clicked in it for the last time',
    machine_clicked          UInt64                         COMMENT 'How many times a machine followed a link in it: events, each counted once',
    first_machine_clicked_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When a machine followed a link in it for the first time',
    last_machine_clicked_at  Nullable(DateTime64(3, 'UTC')) COMMENT 'When a machine followed a link in it for the last time',
    replied                  UInt64                         COMMENT 'How many times the user replied: events, each counted once',
    first_replied_at         Nullable(DateTime64(3, 'UTC')) COMMENT 'When the user replied for the first time',
    last_replied_at          Nullable(DateTime64(3, 'UTC')) COMMENT 'When the user replied for the last time',
    forwarded                UInt64                         COMMENT 'How many times the user forwarded it: events, each counted once',
    first_forwarded_at       Nullable(DateTime64(3, 'UTC')) COMMENT 'When the user forwarded it for the first time',
    last_forwarded_at        Nullable(DateTime64(3, 'UTC')) COMMENT 'When the user forwarded it for the last time',
    deleted                  UInt64                         COMMENT 'How many times the user deleted it: events, each counted once',
    first_deleted_at         Nullable(DateTime64(3, 'UTC')) COMMENT 'When the user deleted it for the first time',
    last_deleted_at          Nullable(DateTime64(3, 'UTC')) COMMENT 'When the user deleted it for the last time',
    blocked                  UInt64                         COMMENT 'How many times the user blocked the sender: events, each counted once',
    first_blocked_at         Nullable(DateTime64(3, 'UTC')) COMMENT 'When the user blocked the sender for the first time',
    last_blocked_at          Nullable(DateTime64(3, 'UTC')) COMMENT 'When the user blocked the sender for the last time',
    unsubscribed             UInt64                         COMMENT 'How many times the user unsubscribed: events, each counted once',
    first_unsubscribed_at    Nullable(DateTime64(3, 'UTC')) COMMENT 'When the user unsubscribed for the first time',
    last_unsubscribed_at     Nullable(DateTime64(3, 'UTC')) COMMENT 'When the user unsubscribed for the last time',
    complained               UInt64                         COMMENT 'How many times the user complained: events, each counted once',
    first_complained_at      Nullable(DateTime64(3, 'UTC')) COMMENT 'When the user complained for the first time',
    last_complained_at       Nullable(DateTime64(3, 'UTC')) COMMENT 'When the user complained for the last time',
    converted                UInt64                         COMMENT 'How many times the user did what the campaign was for: events, each counted once',
    first_converted_at       Nullable(DateTime64(3, 'UTC')) COMMENT 'When the user did what the campaign was for for the first time',
    last_converted_at        Nullable(DateTime64(3, 'UTC')) COMMENT 'When the user did what the campaign was for for the last time',
    conversion_value         Float64                        COMMENT 'What its conversions were worth together, in the unit the tenant chose',
    events                   UInt64                         COMMENT 'Its events, each counted once',
    last_event_at            DateTime64(3, 'UTC')           COMMENT 'When the latest of its events happened'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT * FROM ${database}.messages
COMMENT 'One row for each message: what was sent and what came of it';

CREATE OR REPLACE VIEW ${bi_database}.campaign_results ${on_cluster}
(
    tenant_id        String                         COMMENT 'The customer whose campaign it is',
    campaign_id      String                         COMMENT 'Unique within the tenant',
    name             String                         COMMENT 'Name for people',
    channel          String                         COMMENT 'The channel that the campaign is planned for',
    subject          Nullable(String)               COMMENT 'Subject line or headline, where the channel has one',
    starts_at        Nullable(DateTime64(3, 'UTC')) COMMENT 'When sending is planned to begin',
    ends_at          Nullable(DateTime64(3, 'UTC')) COMMENT 'When the campaign is planned to end',
    first_sent_at    Nullable(DateTime64(3, 'UTC')) COMMENT 'When its first message was sent',
    last_event_at    Nullable(DateTime64(3, 'UTC')) COMMENT 'When the latest event of it happened',
    messages         UInt64                         COMMENT 'Messages',
    recipients       UInt64                         COMMENT 'People: users with a message',
    sent             UInt64                         COMMENT 'Messages with a SENT event',
    delivered        UInt64                         COMMENT 'Messages with a DELIVERED event',
    bounced          UInt64                         COMMENT 'Messages with a BOUNCED event',
    dropped          UInt64                         COMMENT 'Messages with a DROPPED event',
    opens            UInt64                         COMMENT 'Opens by people',
    unique_opens     UInt64                         COMMENT 'People who opened',
    machine_opens    UInt64                         COMMENT 'Opens by machines, in none of the other figures',
    clicks           UInt64                         COMMENT 'Clicks by people',
    unique_clicks    UInt64                         COMMENT 'People who clicked',
    machine_clicks   UInt64                         COMMENT 'Clicks by machines, in none of the other figures',
    replies          UInt64                         COMMENT 'People who replied',
    unsubscribes     UInt64                         COMMENT 'People who unsubscribed',
    complaints       UInt64                         COMMENT 'People who complained',
    conversions      UInt64                         COMMENT 'Conversions',
    conversion_value Float64                        COMMENT 'What the conversions were worth together, in the unit the tenant chose'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    tenant_id, campaign_id,
    max(b.name) AS name, max(b.channel) AS channel, max(b.subject) AS subject, max(b.starts_at) AS starts_at, max(b.ends_at) AS ends_at,
    min(b.first_sent_at) AS first_sent_at, max(b.last_event_at) AS last_event_at,
    sum(b.messages) AS messages,
    sum(b.recipients) AS recipients,
    sum(b.sent) AS sent,
    sum(b.delivered) AS delivered,
    sum(b.bounced) AS bounced,
    sum(b.dropped) AS dropped,
    sum(b.opens) AS opens,
    sum(b.unique_opens) AS unique_opens,
    sum(b.machine_opens) AS machine_opens,
    sum(b.clicks) AS clicks,
    sum(b.unique_clicks) AS unique_clicks,
    sum(b.machine_clicks) AS machine_clicks,
    sum(b.replies) AS replies,
    sum(b.unsubscribes) AS unsubscribes,
    sum(b.complaints) AS complaints,
    sum(b.conversions) AS conversions,
    sum(b.conversion_value) AS conversion_value
FROM
(
    SELECT
        tenant_id, campaign_id,
        '' AS name, '' AS channel, NULL AS subject, NULL AS starts_at, NULL AS ends_at,
        min(m.sent_at) AS first_sent_at, max(m.last_event_at) AS last_event_at,
        count() AS messages,
        uniqExact(user_id) AS recipients,
        countIf(m.sent > 0) AS sent,
        countIf(m.delivered > 0) AS delivered,
        countIf(m.bounced > 0) AS bounced,
        countIf(m.dropped > 0) AS dropped,
        sum(m.opened) AS opens,
        uniqExactIf(user_id, m.opened > 0) AS unique_opens,
        sum(m.machine_opened) AS machine_opens,
        sum(m.clicked) AS clicks,
        uniqExactIf(user_id, m.clicked > 0) AS unique_clicks,
        sum(m.machine_clicked) AS machine_clicks,
        uniqExactIf(user_id, m.replied > 0) AS replies,
        uniqExactIf(user_id, m.unsubscribed > 0) AS unsubscribes,
        uniqExactIf(user_id, m.complained > 0) AS complaints,
        sum(m.converted) AS conversions,
        sum(m.conversion_value) AS conversion_value
    FROM ${database}.messages AS m
    GROUP BY tenant_id, campaign_id
    UNION ALL
    SELECT tenant_id, campaign_id, name, channel, subject, starts_at, ends_at, NULL, NULL,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    FROM ${database}.current_campaigns
) AS b
GROUP BY tenant_id, campaign_id
COMMENT 'Results of each campaign over its whole time, with its definition of today; exact, not sums of hours';

CREATE OR REPLACE VIEW ${bi_database}.campaign_stats ${on_cluster}
(
    tenant_id        String               COMMENT 'The customer whose campaign it is',
    campaign_id      String               COMMENT 'Unique within the tenant',
    hour             DateTime64(3, 'UTC') COMMENT 'The hour (UTC) by its beginning: of sent_at for messages and recipients, of the event for everything else',
    messages         UInt64               COMMENT 'Messages',
    recipients       UInt64               COMMENT 'People: users with a message',
    sent             UInt64               COMMENT 'Messages with a SENT event',
    delivered        UInt64               COMMENT 'Messages with a DELIVERED event',
    bounced          UInt64               COMMENT 'Messages with a BOUNCED event',
    dropped          UInt64               COMMENT 'Messages with a DROPPED event',
    opens            UInt64               COMMENT 'Opens by people',
    unique_opens     UInt64               COMMENT 'People who opened',
    machine_opens    UInt64               COMMENT 'Opens by machines, in none of the other figures',
    clicks           UInt64               COMMENT 'Clicks by people',
    unique_clicks    UInt64               COMMENT 'People who clicked',
    machine_clicks   UInt64               COMMENT 'Clicks by machines, in none of the other figures',
    replies          UInt64               COMMENT 'People who replied',
    unsubscribes     UInt64               COMMENT 'People who unsubscribed',
    complaints       UInt64               COMMENT 'People who complained',
    conversions      UInt64               COMMENT 'Conversions',
    conversion_value Float64              COMMENT 'What the conversions were worth together, in the unit the tenant chose'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT * FROM ${database}.campaign_stats
COMMENT 'Results of each campaign by hour; people are counted once in an hour, so hours do not add up';

CREATE OR REPLACE VIEW ${bi_database}.profile_versions ${on_cluster}
(
    tenant_id   String                         COMMENT 'The customer whose user it is',
    user_id     String                         COMMENT 'The user, unique within the tenant',
    version     UInt32                         COMMENT 'Place in the history as known now, from 1; a late change renumbers those after it',
    valid_from  DateTime64(3, 'UTC')           COMMENT 'The version holds from this instant on',
    valid_to    Nullable(DateTime64(3, 'UTC')) COMMENT 'The version holds until just before this instant; null for the newest',
    status      String                         COMMENT 'found, or deleted when the profile was deleted at valid_from',
    attributes  String                         COMMENT 'The whole profile as JSON text; {} when deleted',
    change_ids  Array(String)                  COMMENT 'The changes of this instant, in the order in which they were applied',
    recorded_at DateTime64(3, 'UTC')           COMMENT 'When the last of its changes was recorded in Kafka'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT tenant_id, user_id, version, valid_from, valid_to, if(deleted, 'deleted', 'found') AS status, attributes, change_ids, recorded_at
FROM ${database}.profile_versions FINAL
SETTINGS optimize_move_to_prewhere_if_final = 1
COMMENT 'What each user was from when to when; a version holds from valid_from up to, not including, valid_to';

-- A user's valid_from are distinct under FINAL, so the join has one answer: the latest version that began at or before sent_at.
CREATE OR REPLACE VIEW ${bi_database}.messages_with_profile ${on_cluster}
(
    tenant_id          String                         COMMENT 'The customer on whose behalf the message was sent',
    campaign_id        String                         COMMENT 'The campaign that the message belongs to',
    user_id            String                         COMMENT 'The recipient',
    message_id         String                         COMMENT 'One send to one user',
    channel            String                         COMMENT 'The channel, as the first recorded event of the message names it',
    variant            Nullable(String)               COMMENT 'The variant in a split test, as the first recorded delivery event that has one names it',
    sent_at            DateTime64(3, 'UTC')           COMMENT 'When it was sent: the earliest SENT event, else the earliest delivery event, else the earliest feedback event',
    queued             UInt64                         COMMENT 'How many times it was queued: events, each counted once',
    sent               UInt64                         COMMENT 'How many times it was sent: events, each counted once',
    delivered          UInt64                         COMMENT 'How many times it was delivered: events, each counted once',
    deferred           UInt64                         COMMENT 'How many times its delivery was put off: events, each counted once',
    bounced            UInt64                         COMMENT 'How many times it bounced: events, each counted once',
    dropped            UInt64                         COMMENT 'How many times it was dropped instead of sent: events, each counted once',
    opened             UInt64                         COMMENT 'How many times the user opened it: events, each counted once',
    machine_opened     UInt64                         COMMENT 'How many times a machine opened it: events, each counted once',
    clicked            UInt64                         COMMENT 'How many times the user clicked in it: events, each counted once',
    machine_clicked    UInt64                         COMMENT 'How many times a machine followed a link in it: events, each counted once',
    replied            UInt64                         COMMENT 'How many times the user replied: events, each counted once',
    forwarded          UInt64                         COMMENT 'How many times the user forwarded it: events, each counted once',
    deleted            UInt64                         COMMENT 'How many times the user deleted it: events, each counted once',
    blocked            UInt64                         COMMENT 'How many times the user blocked the sender: events, each counted once',
    unsubscribed       UInt64                         COMMENT 'How many times the user unsubscribed: events, each counted once',
    complained         UInt64                         COMMENT 'How many times the user complained: events, each counted once',
    converted          UInt64                         COMMENT 'How many times the user did what the campaign was for: events, each counted once',
    conversion_value   Float64                        COMMENT 'What its conversions were worth together',
    profile_status     String                         COMMENT 'found; none_yet when the user had no profile when the message was sent; deleted when it had been deleted by then',
    profile_version    Nullable(UInt32)               COMMENT 'The version valid when the message was sent; null unless found',
    profile_valid_from Nullable(DateTime64(3, 'UTC')) COMMENT 'Since when that version held; null unless found',
    profile_attributes Nullable(String)               COMMENT 'The profile as it was when the message was sent, as JSON text; null unless found'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    m.tenant_id AS tenant_id, m.campaign_id AS campaign_id, m.user_id AS user_id, m.message_id AS message_id, m.channel AS channel, m.variant AS variant, m.sent_at AS sent_at,
    m.queued AS queued,
    m.sent AS sent,
    m.delivered AS delivered,
    m.deferred AS deferred,
    m.bounced AS bounced,
    m.dropped AS dropped,
    m.opened AS opened,
    m.machine_opened AS machine_opened,
    m.clicked AS clicked,
    m.machine_clicked AS machine_clicked,
    m.replied AS replied,
    m.forwarded AS forwarded,
    m.deleted AS deleted,
    m.blocked AS blocked,
    m.unsubscribed AS unsubscribed,
    m.complained AS complained,
    m.converted AS converted,
    m.conversion_value AS conversion_value,
    if(p.status = '', 'none_yet', p.status) AS profile_status,
    if(p.status = 'found', toNullable(p.version), NULL) AS profile_version,
    if(p.status = 'found', toNullable(p.valid_from), NULL) AS profile_valid_from,
    if(p.status = 'found', toNullable(p.attributes), NULL) AS profile_attributes
FROM ${database}.messages AS m
ASOF LEFT JOIN ${bi_database}.profile_versions AS p
    ON m.tenant_id = p.tenant_id AND m.user_id = p.user_id AND m.sent_at >= p.valid_from
SETTINGS join_use_nulls = 0
COMMENT 'One row for each message with the profile of its recipient as it was when the message was sent';
