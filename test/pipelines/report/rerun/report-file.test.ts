/** A report that was written, as `report rerun` reads it: whoever wrote it anew, and whoever altered it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { canonicalJson, type JsonObject, parseJson } from '../../../../pipelines/profiles/fold/json-value.ts';
import { headerDigest, ReportDigest } from '../../../../pipelines/report/digest.ts';
import { formatJson, formatNdjson } from '../../../../pipelines/report/format/json.ts';
import { CANONICAL, recordPieces } from '../../../../pipelines/report/record-pieces.ts';
import { type ReportDocument, wholeReport } from '../../../../pipelines/report/report.ts';
import { PartDigests } from '../../../../pipelines/report/rerun/part-digests.ts';
import { readReportFile } from '../../../../pipelines/report/rerun/report-file.ts';
import { readWrittenParts } from '../../../../pipelines/report/rerun/written-parts.ts';
import {
  documentOf,
  messageOf,
  shopDocument,
  type WholeDocument,
} from '../../../helpers/report-documents.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'report-file-'));
});
afterAll(() => rm(folder, { recursive: true }));

function sealed(shop: WholeDocument): ReportDocument {
  const digest = new ReportDigest();
  for (const record of shop.records()) digest.recordText(recordPieces(record, CANONICAL));
  for (const version of shop.versions) digest.version(version);
  const header = { ...shop.header, digest: digest.text };
  return {
    header: { ...header, header_digest: headerDigest(header, shop.today) },
    versions: shop.versions,
    today: shop.today,
    records: () => shop.records(),
    [Symbol.dispose]: () => {},
  };
}

const document = sealed(shopDocument({ records: 3 }));
const json = [...formatJson(document)].join('');
const ndjson = [...formatNdjson(document)].join('');

async function read(text: string) {
  const file = join(folder, 'report');
  await writeFile(file, text);
  using written = await readReportFile(file);
  return written.header;
}

describe('says what it said', () => {
  it.each([
    ['JSON', json],
    ['JSON on one line', JSON.stringify(wholeReport(document))],
    [
      'JSON on one line with spaces, as Python writes it',
      JSON.stringify(wholeReport(document)).replaceAll('":', '": '),
    ],
    ['JSON with a byte order mark', `\ufeff${json}`],
    ['NDJSON', ndjson],
    ['NDJSON with the line ends of Windows', ndjson.replaceAll('\n', '\r\n')],
  ])('%s', async (_how, text) => {
    const header = await read(text);
    expect(header.digest).toBe(document.header.digest);
  });

  it('from before there was a digest of the header', async () => {
    const { report, ...rest } = wholeReport(document);
    const { header_digest: _, ...header } = report;
    const found = await read(JSON.stringify({ report: header, ...rest }));
    expect(found.digest).toBe(document.header.digest);
  });
});

/** As other programs like to write objects. */
function withSortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withSortedKeys);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).sort(([a], [b]) => (a > b ? -1 : 1));
  return Object.fromEntries(members.map(([key, member]) => [key, withSortedKeys(member)]));
}

describe('with more entries on a message than are held', () => {
  const at = Date.parse('2026-08-11T09:14:02.120Z');
  const opened = Array.from({ length: 2500 }, (_, index) => new Date(at + index).toISOString());
  const long = { ...messageOf({ at, opened }), changed_since_previous: { plan: 'plus' } };
  const records = [messageOf({ at: at - 1 }), long, messageOf({ at: at + 1, opened: opened.slice(0, 3) })];
  const made = sealed(documentOf(records, []));
  const text = [...formatJson(made)].join('');

  it.each([
    ['JSON', text],
    ['NDJSON', [...formatNdjson(made)].join('')],
    [
      'JSON whose keys another program has put in the contrary order',
      JSON.stringify(withSortedKeys(JSON.parse(text))),
    ],
  ])('%s says what it said', async (_how, written) => {
    expect((await read(written)).digest).toBe(made.header.digest);
  });

  it('one of them was altered', async () => {
    const last = `"event_id": "OPENED-${opened.at(-1)}"`;
    expect(text).toContain(last);
    await expect(read(text.replace(last, '"event_id": "another"'))).rejects.toThrow('was altered');
  });
});

describe('is no report', () => {
  it.each([
    ['nothing', '', 'is no report that can be made again'],
    ['cut off', json.slice(0, -20), 'is neither JSON nor NDJSON'],
    ['another text', 'tenant,user\r\n', 'is neither JSON nor NDJSON'],
    ['a list', '[]', 'it is no object'],
    ['more than one', json + json, 'it goes on behind the end of its first object'],
    [
      'one with records twice',
      json.replace('\n  "profile_versions"', '"records": [], "profile_versions"'),
      'has "records" twice',
    ],
    ['a number', '7', 'it is no object'],
    ['another object', '{"a": [{"b": 1}]}', 'is no report that can be made again'],
    ['a report without a pin', JSON.stringify({ report: { ...document.header, pin: undefined } }), 'pin'],
  ])('%s', async (_what, text, message) => {
    await expect(read(text)).rejects.toThrow(message);
  });

  it('a file that is not there', async () => {
    await expect(readReportFile(join(folder, 'none'))).rejects.toThrow('cannot be read: ENOENT');
  });
});

test('what fails while a record is taken is not said of the file', async () => {
  const file = join(folder, 'good');
  await writeFile(file, json);
  const full = Object.assign(new Error('database or disk is full'), { code: 'ERR_SQLITE_ERROR' });
  const record = () => {
    throw full;
  };
  await expect(readWrittenParts(file, { record })).rejects.toBe(full);
});

test('what two reports say differently is named, with how much there is of it', () => {
  using parts = new PartDigests();
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'a', 'same', 'other'])
    parts.add('written', 'messages', name, [name, '1']);
  parts.add('made', 'messages', 'same', ['sam', 'e1']);
  parts.add('made', 'messages', 'other', ['other2']);
  parts.add('made', 'profile versions', { odd: 1 }, []);
  expect(parts.differences()).toEqual([
    '6 messages that are missing now: "a", "b", "c", "d", "e", …',
    '1 messages that say something else: "other"',
    '1 profile versions that were not there: {"odd":1}',
  ]);
});

test('every record and value that JSON can hold is read as it stands', async () => {
  const value = fc.json({ maxDepth: 4 }).map((text) => parseJson(text));
  const number = fc.constantFrom('90071992547409931234', '1.50', '-0', '1e400', '0.1e-7');
  await fc.assert(
    fc.asyncProperty(fc.array(fc.dictionary(fc.string(), value)), number, async (made, digits) => {
      const texts = made.map((one, index) => `{"n":${digits},"${index}":${canonicalJson(one)}}`);
      const file = join(folder, 'values');
      await writeFile(file, `{"records":[${texts.join(' , ')}]}`);
      const found: string[] = [];
      await readWrittenParts(file, { record: (record) => found.push(canonicalJson(record as JsonObject)) });
      expect(found).toEqual(texts.map((text) => canonicalJson(parseJson(text))));
    }),
    { numRuns: 60 },
  );
});

describe('was altered', () => {
  it.each<[string, readonly string[], unknown]>([
    ['whose it is', ['report', 'user_id'], 'somebody'],
    ['the range', ['report', 'from'], '2020-01-01T00:00:00.000Z'],
    ['what it knew', ['report', 'known_at'], '2026-11-27T00:00:00.000Z'],
    ['the counts', ['report', 'counts', 'records'], 999],
    ['what it stood on', ['report', 'pin'], []],
    ['today', ['profile_today', 'attributes'], { plan: 'FORGED' }],
    ['a record', ['records', '0', 'sent_at'], '2020-01-01T00:00:00.000Z'],
    ['a profile', ['profile_versions', '0', 'attributes'], {}],
  ])('%s', async (_what, path, value) => {
    const altered = JSON.parse(JSON.stringify(wholeReport(document))) as Record<string, unknown>;
    const place = path.slice(0, -1).reduce((at, name) => at[name] as Record<string, unknown>, altered);
    place[path.at(-1) ?? ''] = value;
    await expect(read(JSON.stringify(altered))).rejects.toThrow('was altered after it was written');
  });
});
