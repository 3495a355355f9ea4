/** The HTML report as text: what it says, that it is streamed, and that its policy is that of its own script and style. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TimeBins } from '../../../pipelines/report/format/html/time-bins.ts';
import { delayText } from '../../../pipelines/report/format/html/words.ts';
import { formatHtml } from '../../../pipelines/report/format/html.ts';
import type { ReportDocument, ReportRecord } from '../../../pipelines/report/report.ts';
import { documentOf, messageOf, shopDocument } from '../../helpers/report-documents.ts';

const DAY = 86_400_000;

function htmlOf(document: ReportDocument): string {
  return [...formatHtml(document)].join('');
}

function picture(html: string): string {
  return /<svg class="picture[\s\S]*?<\/svg>/.exec(html)?.[0] ?? '';
}

/** Where in the picture's width, in per cent, from left to right. */
function placesOf(html: string, name: string): number[] {
  const found = picture(html).matchAll(new RegExp(`class="${name}[^"]*" x="([^"]*)%"`, 'g'));
  return [...found].map(([, x]) => Number(x)).sort((a, b) => a - b);
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
        const { before, after } = bins.outside('a');
        const all = [before, ...made, after].filter((bin) => bin !== null);
        expect(made.length).toBeLessThanOrEqual(242);
        expect(all.reduce((sum, { count }) => sum + count, 0)).toBe(times.length);
        for (const { count, first, last, record } of all) {
          const own = times.filter((at) => at >= first && at <= last);
          expect(own.length).toBe(count);
          expect(times[record - 1]).toSatisfy((at: number) => at >= first && at <= last);
        }
        expect(bins.extent).toEqual([made[0]?.first, made.at(-1)?.last]);
      },
    ),
  );
});

test('a few wrong clocks leave the picture of the rest as it is without them', () => {
  const YEAR = 365 * DAY;
  const BEGIN = Date.parse('2026-01-01T00:00:00.000Z');
  const rest = fc.record({
    count: fc.integer({ min: 30, max: 3000 }),
    span: fc.integer({ min: DAY, max: 120 * DAY }),
    far: fc.array(
      fc.oneof(
        fc.integer({ min: -30 * YEAR, max: -4 * YEAR }),
        fc.integer({ min: 5 * YEAR, max: 60 * YEAR }),
      ),
      { minLength: 1, maxLength: 3 },
    ),
    /** Where among the others the wrong ones come. */
    share: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  fc.assert(
    fc.property(rest, ({ count, span, far, share }) => {
      const times = Array.from({ length: count }, (_, index) =>
        Math.floor(BEGIN + (span * index) / (count - 1)),
      );
      const alone = new TimeBins();
      const mixed = new TimeBins();
      for (const at of times) alone.add('a', at, 1);
      for (const at of times.toSpliced(Math.floor(share * count), 0, ...far.map((off) => BEGIN + off)))
        mixed.add('a', at, 1);
      expect(mixed.bins('a')).toEqual(alone.bins('a'));
      expect(mixed.extent).toEqual(alone.extent);
      const { before, after } = mixed.outside('a');
      expect((before?.count ?? 0) + (after?.count ?? 0)).toBe(far.length);
    }),
  );
});

const SEPTEMBER = Date.parse('2026-09-01T05:00:00.000Z');

test('one clock that is wrong by twenty years leaves the month as it is, and is said in words', () => {
  const month = Array.from({ length: 30 }, (_, day) => messageOf({ at: SEPTEMBER + day * DAY }));
  const [first, ...others] = month as [ReportRecord, ...ReportRecord[]];
  const wrong = messageOf({ at: SEPTEMBER, opened: ['2006-09-01T05:00:00.000Z'] });
  const html = htmlOf(documentOf([wrong, ...others], []));
  expect(placesOf(html, 'bar')).toHaveLength(30);
  const [left = 0] = placesOf(html, 'bar');
  expect((placesOf(html, 'bar').at(-1) ?? 0) - left).toBeGreaterThan(90);
  expect(picture(html)).not.toMatch(/<text[^>]*>[^<]*20[01]\d/);
  const words = '1 event on 1 Sep 2006 is outside of the picture, before it';
  expect(html).toContain(`${words}: <a href="#r1" data-r="1">its message</a>`);
  expect(/aria-label="(Timeline: [^"]*)"/.exec(html)?.[1]).toContain(
    `30 messages of 1 campaign, drawn from 1 Sep 2026 to 30 Sep 2026. ${words}.`,
  );
  expect(picture(html)).toContain('data-title="before what is drawn, 1 Sep 2006, 05:00"');

  const both = messageOf({
    at: Date.parse('2061-03-04T00:00:00.000Z'),
    opened: ['2061-03-04T00:01:00.000Z', '2061-03-06T00:00:00.000Z'],
  });
  expect(htmlOf(documentOf([...month, both], []))).toContain(
    '1 message and 2 events from 4 Mar 2061 to 6 Mar 2061 are outside of the picture, after it: <a href="#r31" data-r="31">the first message</a>',
  );
  expect(htmlOf(documentOf([first, ...others], []))).not.toContain('outside of the picture');
});

test.each([
  ['three messages years apart', [-5000, -1200, 0]],
  ['a few in a week and one years before', [-3000, 0, 1, 2, 3, 4, 5, 6]],
  ['a dozen in two weeks and one years before', [-3000, ...Array(12).keys()]],
  [
    'two busy months years apart',
    [...Array(30).keys(), ...Array(30).keys()].map((day, at) => day + (at < 30 ? 0 : 4000)),
  ],
  [
    'an hour of messages and one some weeks later',
    [...[...Array(25).keys()].map((minute) => minute / 600), 20],
  ],
  ['a year of silence in two years', [...Array(200).keys()].map((day) => day + (day < 3 ? 0 : 365))],
])('where no part is the bulk of it, nothing is left out: %s', (_, days) => {
  const made = days.map((day) => messageOf({ at: SEPTEMBER + day * DAY }));
  const html = htmlOf(documentOf(made, []));
  expect(html).not.toContain('outside of the picture');
  expect(picture(html)).not.toContain('what is drawn');
  const last = placesOf(html, 'bar').at(-1) ?? 0;
  expect(last - (placesOf(html, 'bar')[0] ?? 0)).toBeGreaterThan(95);
});

test('what no SENT event is known of is not called sent', () => {
  const opened = [new Date(SEPTEMBER + DAY).toISOString()];
  const made = [
    messageOf({ at: SEPTEMBER }),
    messageOf({ at: SEPTEMBER + 60_000, delivery: ['QUEUED', 'SENT', 'BOUNCED'] }),
    messageOf({ at: SEPTEMBER + DAY, delivery: ['QUEUED', 'DROPPED'] }),
    messageOf({ at: SEPTEMBER + DAY, delivery: [], opened }),
    messageOf({ at: SEPTEMBER + 2 * DAY, delivery: ['UNKNOWN'] }),
  ];
  const html = htmlOf(documentOf(made, []));
  expect(html).toContain('Email, 5 messages, 2 sent, 1 reaction<');
  const bars = [...picture(html).matchAll(/<rect class="(bar[^"]*)"[^>]*data-title="([^"]*)"/g)];
  expect(bars.map(([, name, title]) => [name, title])).toEqual([
    ['bar', 'sent, 1 Sep 2026, 05:00'],
    ['bar', 'sent, 1 Sep 2026, 05:01'],
    ['bar unsent-bar', '2 × message without a SENT event, 2 Sep 2026, 05:00'],
    ['bar unsent-bar', 'message without a SENT event, 3 Sep 2026, 05:00'],
  ]);
  const legend = '<li class="sent">sent</li><li class="unsent">message without a SENT event</li>';
  expect(html).toContain(legend);
  const plain = htmlOf(documentOf(made.slice(0, 2), []));
  expect(plain).toContain('<li class="sent">sent</li>');
  expect(plain).toContain('Email, 2 messages, 0 reactions<');
  expect(plain).not.toContain('<li class="unsent">');
});

test('known at the time of making is what the sources had, which may be less than Kafka', () => {
  const made = shopDocument({ records: 1 });
  const header = { ...made.header, known_at: null, known_at_clock: null };
  const local = { ...header, sources: { ...header.sources, local_only: true } };
  expect(htmlOf({ ...made, header })).toContain(
    'When made<small>everything that ClickHouse or the archive had by then</small>',
  );
  expect(htmlOf({ ...made, header: local })).toContain(
    'When made<small>everything that ClickHouse had by then</small>',
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
