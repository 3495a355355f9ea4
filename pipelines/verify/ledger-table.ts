/** Which table the records of a topic become rows of, and what makes two of them copies of one another. */
import type { PipelineName } from '../../config/schema.ts';
import type { TopicRole } from '../../config/topics.ts';
import type { ColdTable } from '../cold/cold-table.ts';
import type { RowSpec } from '../common/transcode/row-spec.ts';
import { CHANGE_ROWS } from '../profiles/rows.ts';
import { CAMPAIGN_ROWS, DELIVERY_ROWS, FEEDBACK_ROWS } from '../tracking/rows.ts';

export interface LedgerTable {
  readonly pipeline: PipelineName;
  readonly table: ColdTable['name'];
  readonly spec: RowSpec;
  /** Names of the columns in the order of the row's bytes. */
  readonly columns: readonly string[];
  /** The time by which the table is partitioned; null when it is not. */
  readonly dayColumn: string | null;
  /** Of several rows with one identity the table keeps the first recorded; null where it keeps every one. */
  readonly identity: Identity | null;
}

export interface Identity {
  /** SQL expressions of type String, the leading ones those of the primary key. */
  readonly expressions: readonly string[];
  /** What they are made of. */
  readonly columns: readonly string[];
  /** @param row RowBinary bytes */
  of(row: Buffer): readonly string[];
}

/** How the rows of `events` and `profile_changes` begin. */
const EVENT_CELLS = ['text', 'text', 'time', 'text', 'text', 'text'] as const;
const CHANGE_CELLS = ['text', 'text', 'time', 'text'] as const;

/** The first cells of a row as text, times in milliseconds. */
function leadingCells(row: Buffer, cells: readonly ('text' | 'time')[]): string[] {
  let at = 0;
  return cells.map((cell) => {
    if (cell === 'time') {
      at += 8;
      return String(row.readBigInt64LE(at - 8));
    }
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = row[at++] as number;
      length |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    at += length;
    return row.toString('utf8', at - length, at);
  });
}

const EVENT_IDENTITY = ['tenant_id', 'user_id', 'message_id', 'type', 'event_id'] as const;

const EVENTS = {
  pipeline: 'tracking',
  table: 'events',
  dayColumn: 'occurred_at',
  identity: {
    expressions: EVENT_IDENTITY,
    columns: EVENT_IDENTITY,
    of: (row) => {
      const [tenant, user, _time, message, type, event] = leadingCells(row, EVENT_CELLS);
      return [tenant, user, message, type, event].map((cell) => cell ?? '');
    },
  },
} as const satisfies Omit<LedgerTable, 'spec' | 'columns'>;

const columnsOf = (spec: RowSpec) => spec.columns.map(({ name }) => name);

export const LEDGER_TABLES: Readonly<Record<TopicRole, LedgerTable>> = {
  definitions: {
    pipeline: 'tracking',
    table: 'campaigns',
    spec: CAMPAIGN_ROWS,
    columns: columnsOf(CAMPAIGN_ROWS),
    dayColumn: null,
    identity: null,
  },
  delivery: { ...EVENTS, spec: DELIVERY_ROWS, columns: columnsOf(DELIVERY_ROWS) },
  feedback: { ...EVENTS, spec: FEEDBACK_ROWS, columns: columnsOf(FEEDBACK_ROWS) },
  profiles: {
    pipeline: 'profiles',
    table: 'profile_changes',
    spec: CHANGE_ROWS,
    columns: columnsOf(CHANGE_ROWS),
    dayColumn: null,
    // Copies of one change that name different times stand beside one another in the table.
    identity: {
      columns: ['tenant_id', 'user_id', 'changed_at', 'change_id'],
      expressions: ['tenant_id', 'user_id', 'toString(toUnixTimestamp64Milli(changed_at))', 'change_id'],
      of: (row) => leadingCells(row, CHANGE_CELLS),
    },
  },
};
