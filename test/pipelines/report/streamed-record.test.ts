/** Records with more entries than memory should hold: every format says of them what it says of others, and takes them as it writes. */
import { describe, expect, it } from 'vitest';
import { ReportDigest } from '../../../pipelines/report/digest.ts';
import { CANONICAL, recordPieces } from '../../../pipelines/report/record-pieces.ts';
import { type ReportDocument, wholeReport } from '../../../pipelines/report/report.ts';
import { FORMATS, type FormatName } from '../../../pipelines/report/report-output.ts';
import { documentOf, messageOf, shopDocument, streamed } from '../../helpers/report-documents.ts';

const NAMES = Object.keys(FORMATS) as FormatName[];
const AT = Date.parse('2026-08-11T09:14:02.120Z');
const ENTRIES = 5000;

async function written(document: ReportDocument, name: FormatName): Promise<string> {
  return [...(await FORMATS[name]())(document)].join('');
}

function digestOf(document: ReportDocument): string {
  const digest = new ReportDigest();
  for (const record of document.records()) digest.recordText(recordPieces(record, CANONICAL));
  return digest.text;
}

describe('a report whose entries are made as they are read', () => {
  const shop = shopDocument({ records: 60 });

  it.each(NAMES)('is written as %s like one that is all there', async (name) => {
    expect(await written(streamed(shop), name)).toBe(await written(shop, name));
  });

  it('is the JSON that a program would print of the whole', async () => {
    const whole = wholeReport(shop);
    expect(await written(streamed(shop), 'json')).toBe(`${JSON.stringify(whole, null, 2)}\n`);
    const lines = (await written(streamed(shop), 'ndjson')).trimEnd().split('\n').slice(2);
    expect(lines.slice(-60)).toEqual(whole.records.map((record) => JSON.stringify({ record })));
  });

  it('has the same digest', () => {
    expect(digestOf(streamed(shop))).toBe(digestOf(shop));
  });
});

describe(`a message with ${ENTRIES} reactions`, () => {
  const opened = Array.from({ length: ENTRIES }, (_, index) => new Date(AT + 1000 * index).toISOString());
  const document = documentOf([messageOf({ at: AT, opened })], []);

  /** How an entry of the message begins. */
  const BEGINNINGS: Partial<Record<FormatName, RegExp>> = {
    json: /"event_id": "OPENED/g,
    ndjson: /"event_id":"OPENED/g,
    csv: /feedback,OPENED/g,
    html: /<li>[^<]*(<i>[^<]*<\/i>)?<b class="opened">/g,
  };

  it.each(Object.entries(BEGINNINGS))(
    'is written as %s while it is read, some entries at a time',
    async (name, beginning) => {
      let taken = 0;
      const counted = streamed(document, {
        onRead: () => {
          taken = 0;
        },
        onEntry: () => {
          taken += 1;
        },
      });
      let [all, mostAhead] = [0, 0];
      for (const chunk of (await FORMATS[name as FormatName]())(counted)) {
        const entries = chunk.match(beginning)?.length ?? 0;
        all += entries;
        if (entries > 0) mostAhead = Math.max(mostAhead, taken - all);
      }
      expect(all).toBe(ENTRIES);
      expect(mostAhead).toBeLessThanOrEqual(1);
    },
  );

  it('shows a terminal the first of them, and how many there are', async () => {
    const table = await written(streamed(document), 'table');
    expect(table.match(/opened/g)?.length).toBe(20);
    expect(table).toContain(`and ${ENTRIES - 20} more`);
  });
});
