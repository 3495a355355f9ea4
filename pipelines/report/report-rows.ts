/** Rows of the cold tier's tables in the report's terms. */
import type { ColdRow, ColdTable, ColdValue } from '../cold/cold-table.ts';
import { CAMPAIGNS, EVENTS, PROFILE_CHANGES } from '../cold/cold-table.ts';
import type { ProfileChange } from '../profiles/fold/fold-profile.ts';
import type { ReportCampaign } from './assemble.ts';
import type { ReportEvent } from './event-stage.ts';

/** A definition of a campaign, with what decides which one is current. */
export interface ReportDefinition extends ReportCampaign {
  readonly campaignId: string;
  /** Milliseconds, as `recordedAt`. */
  readonly updatedAt: number;
  readonly recordedAt: number;
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
}

type Cells = Readonly<Record<string, ColdValue>>;

function cellsOf({ columns }: ColdTable, row: ColdRow): Cells {
  return Object.fromEntries(columns.map(({ name }, index) => [name, row[index] ?? null]));
}

function placeOf({ source, offset, recorded_at }: Cells) {
  const [topicId = '', partition] = (source as string).split('/');
  return { topicId, partition: Number(partition), offset: Number(offset), recordedAt: recorded_at as number };
}

export function reportEvent(row: ColdRow): ReportEvent {
  const cells = cellsOf(EVENTS, row);
  return {
    kind: cells.kind as ReportEvent['kind'],
    eventId: cells.event_id as string,
    messageId: cells.message_id as string,
    campaignId: cells.campaign_id as string,
    channel: cells.channel as string,
    type: cells.type as string,
    occurredAt: cells.occurred_at as number,
    variant: cells.variant as string | null,
    reason: cells.reason as string | null,
    provider: cells.provider as string | null,
    link: cells.link as string | null,
    userAgent: cells.user_agent as string | null,
    isMachine: cells.is_machine as boolean,
    // As ClickHouse tells it in JSON: what is no number there is null.
    value: Number.isFinite(cells.value) ? (cells.value as number) : null,
    ...placeOf(cells),
  };
}

export function profileChange(row: ColdRow): ProfileChange {
  const cells = cellsOf(PROFILE_CHANGES, row);
  return {
    changeId: cells.change_id as string,
    op: cells.op as ProfileChange['op'],
    changedAt: cells.changed_at as number,
    sourceVersion: cells.source_version as bigint | null,
    attributes: cells.attributes as string | null,
    ...placeOf(cells),
  };
}

export function reportDefinition(row: ColdRow): ReportDefinition {
  const cells = cellsOf(CAMPAIGNS, row);
  return {
    campaignId: cells.campaign_id as string,
    updatedAt: cells.updated_at as number,
    name: cells.name as string,
    channel: cells.channel as string,
    subject: cells.subject as string | null,
    ...placeOf(cells),
  };
}
