/** The HTML report as text: what it says, that it is streamed, and that its policy is that of its own script and style. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TimeBins } from '../../../pipelines/report/format/html/time-bins.ts';
import { delayText } from '../../../pipelines/report/format/html/words.ts';
import { formatHtml } from '../../../pipelines/report/format/html.ts';
import type { ReportDocument } from '../../../pipelines/report/report.ts';
import { shopDocument } from '../../helpers/report-documents.ts';

function htmlOf(document: ReportDocument): string {
  return [...formatHtml(document)].join('');
}

test('writes each record as it is read, and holds none', () => {
  const made = shopDocument({ records: 50 });
  let passes = 0;
  let taken = 0;
  const document: ReportDocument = {
    ...made,
    *records() {
      passes += 1;
      taken = 0;
      for (const record of made.records()) {
        taken += 1;
        yield record;
      }
    },
  };
  const ahead: number[] = [];
  let written = 0;
  for (const chunk of formatHtml(document)) {
    if (!chunk.includes('<details class="record"')) continue;
    written += 1;
    ahead.push(taken - written);
  }
  expect(passes).toBe(2);
  expect(ahead).toEqual(Array(50).fill(0));
});

test('the policy names the script and the style that are there, and nothing else', () => {
  const html = htmlOf(shopDocument({ records: 3 }));
  const hash = (text: string | undefined): string =>
    `'sha256-${createHash('sha256')
      .update(text ?? '')
      .digest('base64')}'`;
  const [, policy = ''] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html) ?? [];
  const directives = policy.replaceAll('&#39;', "'").split('; ');
  expect(directives).toContain("default-src 'none'");
  expect(directives).toContain("base-uri 'none'");
  expect(directives).toContain("form-action 'none'");
  expect(directives).toContain(`script-src ${hash(/<script>([\s\S]*)<\/script>/.exec(html)?.[1])}`);
  expect(directives).toContain(`style-src ${hash(/<style>([\s\S]*)<\/style>/.exec(html)?.[1])}`);
});

test('numbers beyond a double keep their digits, and a text that looks like a number is told from one', () => {
  const made = shopDocument({ records: 1 });
  const [version] = made.versions;
  if (version === undefined) throw new Error('the report has no version');
  const attributes = { ...version.attributes, zip: '0150' };
  const html = htmlOf({ ...made, versions: [{ ...version, attributes }] });
  expect(html).toContain('<bdi>90071992547409931234</bdi>');
  expect(html).toContain('<bdi>&quot;0150&quot;</bdi>');
});

test('a report without records, and one without anything, are pages that say so', () => {
  const made = shopDocument({ records: 0 });
  expect(htmlOf(made)).toContain('No message lies in this range.');
  const today = { status: 'none_yet', version: null, valid_from: null, attributes: null } as const;
  const html = htmlOf({ ...made, versions: [], today });
  expect(html).toContain('No record of this report names a profile version.');
  expect(html).toContain('no profile yet');
});

test('a page that may lack records, or whose known-at is the producers’, says it first', () => {
  const made = shopDocument({ records: 1 });
  const sources = { ...made.header.sources, local_only: true };
  const html = htmlOf({ ...made, header: { ...made.header, known_at_clock: 'producers', sources } });
  expect(html).toContain('May be incomplete.');
  expect(html).toContain('Known at by the producers’ clocks.');
  expect(htmlOf(made)).not.toMatch(/May be incomplete|Known at by/);
});

test('delays are said in the units a person would use', () => {
  const from = '2026-08-11T09:14:02.120Z';
  const after = (milliseconds: number): string =>
    delayText(from, new Date(Date.parse(from) + milliseconds).toISOString());
  expect(after(0)).toBe('at once');
  expect(after(999)).toBe('999 ms later');
  expect(after(59_999)).toBe('59 s later');
  expect(after(60_000)).toBe('1 min later');
  expect(after(3_599_999)).toBe('59 min 59 s later');
  expect(after(12_367_880)).toBe('3 h 26 min later');
  expect(after(2 * 86_400_000 + 3_600_000)).toBe('2 d 1 h later');
  expect(after(-120_500)).toBe('2 min before');
});

test('the picture counts everything once, however the times lie', () => {
  const time = fc.integer({ min: -1e12, max: 4e12 });
  fc.assert(
    fc.property(
      fc.array(time, { minLength: 1, maxLength: 400 }),
      fc.constantFrom(1, 2),
      (times, together) => {
        const bins = new TimeBins();
        times.forEach((at, index) => {
          bins.add('a', at, index + 1);
        });
        const made = bins.bins('a', together);
        expect(made.length).toBeLessThanOrEqual(242);
        expect(made.reduce((sum, { count }) => sum + count, 0)).toBe(times.length);
        for (const { count, first, last, record } of made) {
          const own = times.filter((at) => at >= first && at <= last);
          expect(own.length).toBe(count);
          expect(times[record - 1]).toSatisfy((at: number) => at >= first && at <= last);
        }
        expect(bins.extent).toEqual([Math.min(...times), Math.max(...times)]);
      },
    ),
  );
});

/** The colours of one of the style's blocks, by name, as red, green and blue. */
function colours(block: string): ReadonlyMap<string, readonly number[]> {
  return new Map(
    [...block.matchAll(/--([a-z-]+): #([0-9a-f]{6})/g)].map(([, name = '', hex = '']) => [
      name,
      [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255),
    ]),
  );
}

/** WCAG 2.2, relative luminance. */
function luminance(rgb: readonly number[]): number {
  const [r = 0, g = 0, b = 0] = rgb.map((part) =>
    part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

test.each(['light', 'dark', 'paper'])(
  'every text can be read on its ground, every mark seen: %s',
  (which) => {
    const style = readFileSync(
      new URL('../../../pipelines/report/format/html/page.css', import.meta.url),
      'utf8',
    );
    const blocks = style.match(/:root \{[^}]*\}/g) ?? [];
    const palette = colours(blocks[['light', 'dark', 'paper'].indexOf(which)] ?? '');
    const contrast = (one: string, other: string): number => {
      const [dark = 0, light = 0] = [one, other]
        .map((name) => luminance(palette.get(name) ?? []))
        .sort((a, b) => a - b);
      return (light + 0.05) / (dark + 0.05);
    };
    const marks = ['opened', 'clicked', 'converted', 'refused', 'failed', 'machine'];
    const texts = ['ink', 'soft', 'link', 'changed-ink'];
    const pairs = [
      ...['paper', 'raised'].flatMap((ground) => [...texts, ...marks].map((text) => [text, ground])),
      ...['shade', 'changed'].flatMap((ground) => texts.map((text) => [text, ground])),
      ...['then', 'band', 'band-odd'].map((ground) => ['ink', ground]),
    ] as [string, string][];
    const faint = pairs.filter(([text, ground]) => !(contrast(text, ground) >= 4.5));
    expect(
      faint.map(([text, ground]) => `${text} on ${ground}: ${contrast(text, ground).toFixed(2)}`),
    ).toEqual([]);
  },
);
