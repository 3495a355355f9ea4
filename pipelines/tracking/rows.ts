/** How delivery events, feedback events and campaign definitions become rows. */
import { loadReaderSchema } from '../common/transcode/reader-schema.ts';
import type { Column, RowSpec } from '../common/transcode/row-spec.ts';

/** The columns of the INSERT into `events`, in its order. */
export const EVENT_COLUMNS = [
  { name: 'tenant_id', kind: 'id' },
  { name: 'user_id', kind: 'id' },
  { name: 'occurred_at', kind: 'time' },
  { name: 'message_id', kind: 'id' },
  { name: 'type', kind: 'symbol' },
  { name: 'event_id', kind: 'id' },
  { name: 'kind', kind: 'constant' },
  { name: 'campaign_id', kind: 'id' },
  { name: 'channel', kind: 'symbol' },
  { name: 'variant', kind: 'textOrNull' },
  { name: 'reason', kind: 'textOrNull' },
  { name: 'provider', kind: 'textOrNull' },
  { name: 'link', kind: 'textOrNull' },
  { name: 'user_agent', kind: 'textOrNull' },
  { name: 'is_machine', kind: 'booleanOrFalse' },
  { name: 'value', kind: 'doubleOrNull' },
  { name: 'attributes', kind: 'textMap' },
  { name: 'source', kind: 'source' },
  { name: 'offset', kind: 'offset' },
  { name: 'recorded_at', kind: 'recordedAt' },
] as const satisfies readonly Column[];

/** The columns of the INSERT into `campaigns`, in its order. */
export const CAMPAIGN_COLUMNS = [
  { name: 'tenant_id', kind: 'id' },
  { name: 'campaign_id', kind: 'id' },
  { name: 'updated_at', kind: 'time' },
  { name: 'name', kind: 'text' },
  { name: 'channel', kind: 'symbol' },
  { name: 'subject', kind: 'textOrNull' },
  { name: 'starts_at', kind: 'planOrNull' },
  { name: 'ends_at', kind: 'planOrNull' },
  { name: 'attributes', kind: 'textMap' },
  { name: 'source', kind: 'source' },
  { name: 'offset', kind: 'offset' },
  { name: 'recorded_at', kind: 'recordedAt' },
] as const satisfies readonly Column[];

export const DELIVERY_ROWS: RowSpec = {
  reader: loadReaderSchema('delivery-event.avsc'),
  columns: EVENT_COLUMNS,
  constants: { kind: 'delivery' },
  key: ['tenant_id', 'user_id'],
};

export const FEEDBACK_ROWS: RowSpec = {
  reader: loadReaderSchema('feedback-event.avsc'),
  columns: EVENT_COLUMNS,
  constants: { kind: 'feedback' },
  key: ['tenant_id', 'user_id'],
};

export const CAMPAIGN_ROWS: RowSpec = {
  reader: loadReaderSchema('campaign-definition.avsc'),
  columns: CAMPAIGN_COLUMNS,
  key: ['tenant_id', 'campaign_id'],
};
