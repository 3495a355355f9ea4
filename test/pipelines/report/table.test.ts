/** The report at a terminal. */
import { expect, test } from 'vitest';
import { formatTable } from '../../../pipelines/report/format/table.ts';
import type { ProfileToday } from '../../../pipelines/report/report.ts';
import { shopDocument } from '../../helpers/report-documents.ts';

const shop = shopDocument({ records: 5 });

function linesOf(today: ProfileToday): string[] {
  const document = { ...shop, today, records: () => shop.records(), [Symbol.dispose]: () => {} };
  return [...formatTable(document)].join('').trimEnd().split('\n');
}

test('ends with who the user is today, where none of the records was of that version', () => {
  const last = shop.versions.at(-1);
  if (last === undefined) throw new Error('a report without versions');
  const { version, valid_from, attributes } = last;
  const known = linesOf({ status: 'found', version, valid_from, attributes });
  expect(known.join('\n')).not.toContain(' today');
  const later = '2030-01-01T00:00:00.000Z';
  const attributesToday = { plan: 'enterprise\u001b[2J' };
  const changed = linesOf({ status: 'found', version: 99, valid_from: later, attributes: attributesToday });
  expect(changed.slice(0, -1)).toEqual(known);
  expect(changed.at(-1)).toMatch(/^v99 today {2}\{"plan":"enterprise\\\S*\[2J"\}$/);
  expect(linesOf({ status: 'deleted', version: 99, valid_from: later, attributes: null }).at(-1)).toMatch(
    /^deleted today\s*$/,
  );
  expect(linesOf({ status: 'none_yet', version: null, valid_from: null, attributes: null })).toEqual(known);
});

test('says what it was asked for, and what it may lack', () => {
  const sources = { ...shop.header.sources, local_only: true };
  const header = {
    ...shop.header,
    by: 'interaction',
    known_at: '2026-09-01T00:00:00.000Z',
    sources,
  } as const;
  const told = (one: typeof shop.header) =>
    [...formatTable({ ...shop, header: one, records: () => [], [Symbol.dispose]: () => {} })].join('');
  expect(told(header)).toMatch(
    /happened in the range[\s\S]*recorded by 2026-09-01T00:00:00.000Z[\s\S]*ClickHouse alone was asked/,
  );
  expect(told({ ...shop.header, known_at: null })).not.toMatch(
    /happened in the range|recorded by|ClickHouse alone/,
  );
});

test('text of many thousand characters in a column is there to its end', () => {
  const [first] = shop.records();
  if (first === undefined) throw new Error('a report without records');
  const text = Array.from({ length: 2500 }, (_, index) => index.toString(36).padStart(4, '_')).join('');
  const long = { ...first, campaign: { ...first.campaign, name: text }, delivery: [], feedback: [] };
  const table = [...formatTable({ ...shop, records: () => [long], [Symbol.dispose]: () => {} })].join('');
  const column = table.split('\n').map((line) => line.slice(18, 18 + 26).trim());
  expect(column.join('').includes(text)).toBe(true);
});
