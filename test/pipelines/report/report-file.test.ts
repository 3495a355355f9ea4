/** A report that was written, as `report rerun` reads it: whoever wrote it anew, and whoever altered it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headerDigest, ReportDigest } from '../../../pipelines/report/digest.ts';
import { formatJson, formatNdjson } from '../../../pipelines/report/format/json.ts';
import { type ReportDocument, wholeReport } from '../../../pipelines/report/report.ts';
import { readReportFile } from '../../../pipelines/report/report-file.ts';
import { shopDocument } from '../../helpers/report-documents.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'report-file-'));
});
afterAll(() => rm(folder, { recursive: true }));

function sealed(): ReportDocument {
  const shop = shopDocument({ records: 3 });
  const digest = new ReportDigest();
  for (const record of shop.records()) digest.record(record);
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

const document = sealed();
const json = [...formatJson(document)].join('');
const ndjson = [...formatNdjson(document)].join('');

async function read(text: string) {
  const file = join(folder, 'report');
  await writeFile(file, text);
  return readReportFile(file);
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
    const { header, records, versions } = await read(text);
    expect(header.digest).toBe(document.header.digest);
    expect(records.size).toBe(3);
    expect(versions.size).toBe(document.versions.length);
  });

  it('from before there was a digest of the header', async () => {
    const { report, ...rest } = wholeReport(document);
    const { header_digest: _, ...header } = report;
    const { header: found } = await read(JSON.stringify({ report: header, ...rest }));
    expect(found.digest).toBe(document.header.digest);
  });
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
