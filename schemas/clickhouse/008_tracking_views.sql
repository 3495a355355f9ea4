-- What came of each message and campaign, exact under copies of every sort. Nothing here stores anything.

CREATE OR REPLACE VIEW ${database}.overruled_message_events ${on_cluster}
(
    tenant_id   String COMMENT 'The customer on whose behalf the message was sent',
    campaign_id String COMMENT 'The campaign that the message belongs to',
    user_id     String COMMENT 'The recipient',
    message_id  String COMMENT 'One send to one user',
    type        String COMMENT 'What happened, the symbol as the producer wrote it',
    event_id    String COMMENT 'Identifies the event together with tenant, user, message and type'
)
AS WITH ambiguous AS
(
    SELECT message_hash
    FROM ${database}.message_campaigns
    GROUP BY message_hash
    HAVING min(campaign_hash) != max(campaign_hash)
    SETTINGS optimize_aggregation_in_order = 1
)
SELECT tenant_id, campaign_id, user_id, message_id, type, event_id
FROM
(
    SELECT
        tenant_id, campaign_id, user_id, message_id, type, event_id,
        max(precedence) AS own,
        max(own) OVER (PARTITION BY tenant_id, user_id, message_id, type, event_id) AS first
    FROM ${database}.message_events
    WHERE (tenant_id, campaign_id) IN
    (
        SELECT tenant_id, campaign_id FROM ${database}.message_campaigns WHERE message_hash IN (ambiguous)
    )
    AND cityHash64(tenant_id, user_id, message_id) IN (ambiguous)
    GROUP BY tenant_id, campaign_id, user_id, message_id, type, event_id
)
WHERE own < first
COMMENT 'Rows of message_events that a copy recorded earlier, under another campaign, overrules: nearly always none';

CREATE OR REPLACE VIEW ${database}.first_message_events ${on_cluster}
(
    tenant_id   String               COMMENT 'The customer on whose behalf the message was sent',
    campaign_id String               COMMENT 'The campaign that the message belongs to',
    user_id     String               COMMENT 'The recipient',
    message_id  String               COMMENT 'One send to one user',
    type        String               COMMENT 'What happened, the symbol as the producer wrote it',
    event_id    String               COMMENT 'Identifies the event together with tenant, user, message and type',
    kind        String               COMMENT 'delivery or feedback',
    occurred_at DateTime64(3, 'UTC') COMMENT 'When the event happened',
    channel     String               COMMENT 'The channel of the message',
    variant     Nullable(String)     COMMENT 'The variant of the message in a split test',
    is_machine  Bool                 COMMENT 'True when a machine did it and not the user',
    value       Nullable(Float64)    COMMENT 'What a conversion was worth',
    precedence  UInt128              COMMENT 'The greater, the earlier the event was recorded'
)
AS SELECT tenant_id, campaign_id, user_id, message_id, type, event_id, kind, occurred_at, channel, variant, is_machine, value, precedence
FROM ${database}.message_events FINAL
WHERE (tenant_id, campaign_id, user_id, message_id, type, event_id) NOT IN (SELECT * FROM ${database}.overruled_message_events)
SETTINGS optimize_move_to_prewhere_if_final = 1
COMMENT 'Each event once, the first recorded copy, in short';

CREATE OR REPLACE VIEW ${database}.messages ${on_cluster}
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
AS SELECT
    tenant_id, campaign_id, user_id, message_id,
    argMax(channel, precedence) AS channel,
    argMaxIf(variant, precedence, kind = 'delivery' AND variant IS NOT NULL) AS variant,
    coalesce(minIfOrNull(occurred_at, type = 'SENT'), minIfOrNull(occurred_at, kind = 'delivery'), min(occurred_at)) AS sent_at,
    countIf(type = 'QUEUED') AS queued,
    minIfOrNull(occurred_at, type = 'QUEUED') AS first_queued_at,
    maxIfOrNull(occurred_at, type = 'QUEUED') AS last_queued_at,
    countIf(type = 'SENT') AS sent,
    minIfOrNull(occurred_at, type = 'SENT') AS first_sent_at,
    maxIfOrNull(occurred_at, type = 'SENT') AS last_sent_at,
    countIf(type = 'DELIVERED') AS delivered,
    minIfOrNull(occurred_at, type = 'DELIVERED') AS first_delivered_at,
    maxIfOrNull(occurred_at, type = 'DELIVERED') AS last_delivered_at,
    countIf(type = 'DEFERRED') AS deferred,
    minIfOrNull(occurred_at, type = 'DEFERRED') AS first_deferred_at,
    maxIfOrNull(occurred_at, type = 'DEFERRED') AS last_deferred_at,
    countIf(type = 'BOUNCED') AS bounced,
    minIfOrNull(occurred_at, type = 'BOUNCED') AS first_bounced_at,
    maxIfOrNull(occurred_at, type = 'BOUNCED') AS last_bounced_at,
    countIf(type = 'DROPPED') AS dropped,
    minIfOrNull(occurred_at, type = 'DROPPED') AS first_dropped_at,
    maxIfOrNull(occurred_at, type = 'DROPPED') AS last_dropped_at,
    countIf(type = 'OPENED' AND NOT is_machine) AS opened,
    minIfOrNull(occurred_at, type = 'OPENED' AND NOT is_machine) AS first_opened_at,
    maxIfOrNull(occurred_at, type = 'OPENED' AND NOT is_machine) AS last_opened_at,
    countIf(type = 'OPENED' AND is_machine) AS machine_opened,
    minIfOrNull(occurred_at, type = 'OPENED' AND is_machine) AS first_machine_opened_at,
    maxIfOrNull(occurred_at, type = 'OPENED' AND is_machine) AS last_machine_opened_at,
    countIf(type = 'CLICKED' AND NOT is_machine) AS clicked,
    minIfOrNull(occurred_at, type = 'CLICKED' AND NOT is_machine) AS first_clicked_at,
    maxIfOrNull(occurred_at, type = 'CLICKED' AND NOT is_machine) AS last_clicked_at,
    countIf(type = 'CLICKED' AND is_machine) AS machine_clicked,
    minIfOrNull(occurred_at, type = 'CLICKED' AND is_machine) AS first_machine_clicked_at,
    maxIfOrNull(occurred_at, type = 'CLICKED' AND is_machine) AS last_machine_clicked_at,
    countIf(type = 'REPLIED') AS replied,
    minIfOrNull(occurred_at, type = 'REPLIED') AS first_replied_at,
    maxIfOrNull(occurred_at, type = 'REPLIED') AS last_replied_at,
    countIf(type = 'FORWARDED') AS forwarded,
    minIfOrNull(occurred_at, type = 'FORWARDED') AS first_forwarded_at,
    maxIfOrNull(occurred_at, type = 'FORWARDED') AS last_forwarded_at,
    countIf(type = 'DELETED') AS deleted,
    minIfOrNull(occurred_at, type = 'DELETED') AS first_deleted_at,
    maxIfOrNull(occurred_at, type = 'DELETED') AS last_deleted_at,
    countIf(type = 'BLOCKED') AS blocked,
    minIfOrNull(occurred_at, type = 'BLOCKED') AS first_blocked_at,
    maxIfOrNull(occurred_at, type = 'BLOCKED') AS last_blocked_at,
    countIf(type = 'UNSUBSCRIBED') AS unsubscribed,
    minIfOrNull(occurred_at, type = 'UNSUBSCRIBED') AS first_unsubscribed_at,
    maxIfOrNull(occurred_at, type = 'UNSUBSCRIBED') AS last_unsubscribed_at,
    countIf(type = 'COMPLAINED') AS complained,
    minIfOrNull(occurred_at, type = 'COMPLAINED') AS first_complained_at,
    maxIfOrNull(occurred_at, type = 'COMPLAINED') AS last_complained_at,
    countIf(type = 'CONVERTED') AS converted,
    minIfOrNull(occurred_at, type = 'CONVERTED') AS first_converted_at,
    maxIfOrNull(occurred_at, type = 'CONVERTED') AS last_converted_at,
    ifNull(sumIf(value, type = 'CONVERTED'), 0) AS conversion_value,
    count() AS events,
    max(occurred_at) AS last_event_at
FROM ${database}.first_message_events
GROUP BY tenant_id, campaign_id, user_id, message_id
SETTINGS optimize_aggregation_in_order = 1
COMMENT 'One row for each message: what was sent and what came of it';

-- Sums over hours count a person once in each hour: the totals of a campaign are campaign_results in the BI database.
CREATE OR REPLACE VIEW ${database}.campaign_stats ${on_cluster}
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
AS SELECT
    tenant_id, campaign_id, hour,
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
        tenant_id, campaign_id, toDateTime64(toStartOfHour(sent_at), 3, 'UTC') AS hour,
        count() AS messages,
        uniqExact(user_id) AS recipients,
        0 AS sent,
        0 AS delivered,
        0 AS bounced,
        0 AS dropped,
        0 AS opens,
        0 AS unique_opens,
        0 AS machine_opens,
        0 AS clicks,
        0 AS unique_clicks,
        0 AS machine_clicks,
        0 AS replies,
        0 AS unsubscribes,
        0 AS complaints,
        0 AS conversions,
        0 AS conversion_value
    FROM ${database}.messages
    GROUP BY tenant_id, campaign_id, hour
    UNION ALL
    SELECT
        tenant_id, campaign_id, toDateTime64(toStartOfHour(occurred_at), 3, 'UTC') AS hour,
        0 AS messages,
        0 AS recipients,
        uniqExactIf((user_id, message_id), type = 'SENT') AS sent,
        uniqExactIf((user_id, message_id), type = 'DELIVERED') AS delivered,
        uniqExactIf((user_id, message_id), type = 'BOUNCED') AS bounced,
        uniqExactIf((user_id, message_id), type = 'DROPPED') AS dropped,
        countIf(type = 'OPENED' AND NOT is_machine) AS opens,
        uniqExactIf(user_id, type = 'OPENED' AND NOT is_machine) AS unique_opens,
        countIf(type = 'OPENED' AND is_machine) AS machine_opens,
        countIf(type = 'CLICKED' AND NOT is_machine) AS clicks,
        uniqExactIf(user_id, type = 'CLICKED' AND NOT is_machine) AS unique_clicks,
        countIf(type = 'CLICKED' AND is_machine) AS machine_clicks,
        uniqExactIf(user_id, type = 'REPLIED') AS replies,
        uniqExactIf(user_id, type = 'UNSUBSCRIBED') AS unsubscribes,
        uniqExactIf(user_id, type = 'COMPLAINED') AS complaints,
        countIf(type = 'CONVERTED') AS conversions,
        ifNull(sumIf(value, type = 'CONVERTED'), 0) AS conversion_value
    FROM ${database}.first_message_events
    GROUP BY tenant_id, campaign_id, hour
) AS b
GROUP BY tenant_id, campaign_id, hour
COMMENT 'Results of each campaign by hour; people are counted once in an hour, so hours do not add up';

CREATE OR REPLACE VIEW ${database}.current_campaigns ${on_cluster}
(
    tenant_id   String                         COMMENT 'The customer whose campaign it is',
    campaign_id String                         COMMENT 'Unique within the tenant',
    name        String                         COMMENT 'Name for people',
    channel     String                         COMMENT 'The channel that the campaign is planned for',
    subject     Nullable(String)               COMMENT 'Subject line or headline, where the channel has one',
    starts_at   Nullable(DateTime64(3, 'UTC')) COMMENT 'When sending is planned to begin',
    ends_at     Nullable(DateTime64(3, 'UTC')) COMMENT 'When the campaign is planned to end',
    updated_at  DateTime64(3, 'UTC')           COMMENT 'When the definition became valid',
    attributes  Map(String, String)            COMMENT 'Further properties of the campaign, as text'
)
AS SELECT tenant_id, campaign_id, name, channel, subject, starts_at, ends_at, updated_at, attributes
FROM ${database}.campaigns
ORDER BY tenant_id, campaign_id, updated_at DESC, recorded_at DESC, topic_id DESC, partition DESC, offset DESC
LIMIT 1 BY tenant_id, campaign_id
COMMENT 'The definition of each campaign that is valid now: the latest by updated_at, then by recording';
