/** How profile changes become rows, and what must hold of them beyond their columns. */
import { loadReaderSchema } from '../common/transcode/reader-schema.ts';
import type { Column, RowFault, RowSpec, RowView } from '../common/transcode/row-spec.ts';
import { checkAttributes } from './attributes.ts';

/** The columns of the INSERT into `profile_changes`, in its order. */
export const CHANGE_COLUMNS = [
  { name: 'tenant_id', kind: 'id' },
  { name: 'user_id', kind: 'id' },
  { name: 'changed_at', kind: 'time' },
  { name: 'change_id', kind: 'id' },
  { name: 'op', kind: 'symbol' },
  { name: 'source_version', kind: 'longOrNull' },
  { name: 'attributes', kind: 'textOrNull' },
  { name: 'source', kind: 'source' },
  { name: 'offset', kind: 'offset' },
  { name: 'recorded_at', kind: 'recordedAt' },
] as const satisfies readonly Column[];

const OPS: ReadonlySet<string> = new Set(['SNAPSHOT', 'PATCH', 'DELETE']);

export const CHANGE_ROWS: RowSpec = {
  reader: loadReaderSchema('profile-change.avsc'),
  columns: CHANGE_COLUMNS,
  key: ['tenant_id', 'user_id'],
  judge: judgeChange,
};

/** A change that cannot be folded would stop every later fold of its user: it must not get in. */
function judgeChange(row: RowView): RowFault | null {
  const op = row.text('op') ?? '';
  if (!OPS.has(op)) return { code: 'op_unknown', column: 'op', detail: `is ${op}` };
  const attributes = row.text('attributes');
  if (attributes === null)
    return op === 'DELETE'
      ? null
      : { code: 'attributes_missing', column: 'attributes', detail: `is null in a ${op}` };
  const fault = checkAttributes(attributes);
  return fault === null ? null : { ...fault, column: 'attributes' };
}
