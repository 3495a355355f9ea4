/** The HTML report in a real browser: what a person sees and does there. Its pictures are left in test/artefacts. */
import fc from 'fast-check';
import type { Locator, Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { formatHtml } from '../../../pipelines/report/format/html.ts';
import type { ReportDocument, ReportRecord } from '../../../pipelines/report/report.ts';
import { artefact, describeInBrowser, keepPicture } from '../../helpers/browser.ts';
import { documentWith, textsOf } from '../../helpers/hostile-document.ts';
import { documentOf, messageOf, shopDocument } from '../../helpers/report-documents.ts';

const shop = shopDocument({ records: 200 });
const records = [...shop.records()];
const html = htmlOf(shop);

function htmlOf(document: ReportDocument): string {
  return [...formatHtml(document)].join('');
}

function shown(page: Page): Locator {
  return page.locator('details.record:visible');
}

/** From 1. */
function numberOf(wanted: (record: ReportRecord) => boolean): number {
  const index = records.findIndex(wanted);
  if (index === -1) throw new Error('the report has no such record');
  return index + 1;
}

/** Of a record's three columns: what an attribute was at the message before, then, and today. */
async function attribute(record: Locator, name: string): Promise<string[]> {
  const row = record
    .locator('table.profile tbody tr')
    .filter({ has: record.page().locator('th', { hasText: name }) });
  return row.locator('td').allInnerTexts();
}

/** What a page's own scripts have there. */
interface InPage {
  getComputedStyle(element: unknown): { readonly direction: string };
}

function directionOf(element: Locator): Promise<string> {
  return element.evaluate((node) => (globalThis as unknown as InPage).getComputedStyle(node).direction);
}

/** Of the red in it, which is enough for a grey. */
function lightness(color: string): number {
  return Number(/\d+/.exec(color)?.[0]);
}

async function choose(page: Page, label: string, option: string): Promise<void> {
  const select = page.getByRole('combobox', { name: label, exact: true });
  const value = await select.locator('option', { hasText: option }).first().getAttribute('value');
  await select.selectOption(value);
}

describeInBrowser('the HTML report', (browser) => {
  test('opens without a complaint and asks the network for nothing', async () => {
    const { page, troubles } = await browser.open(html);
    expect(await page.locator('h1').textContent()).toBe('u-000007');
    expect(await shown(page).count()).toBe(200);
    expect(await page.locator('svg.picture g.lane').count()).toBe(12);
    expect(await page.locator('header').textContent()).toContain(shop.header.digest);
    expect(troubles).toEqual([]);
    await keepPicture(page, 'report-light');
  });

  test('a record opens to its message, what came of it, and the profile then beside today’s', async () => {
    const { page, troubles } = await browser.open(html);
    const number = numberOf(
      ({ feedback, profile }) =>
        profile.version === 3 && feedback.some(({ type, is_machine }) => type === 'CLICKED' && !is_machine),
    );
    const record = page.locator(`#r${number}`);
    await record.locator('summary').click();
    const made = records[number - 1] as ReportRecord;
    const text = await record.locator('.body').textContent();
    expect(text).toContain(made.message_id);
    expect(text).toContain('Clicked');
    expect(text).toMatch(/\d+ (?:s|min|h|d).* later/);
    await record.locator('table.profile').waitFor();
    expect((await attribute(record, 'plan')).map((cell) => cell.split(/\s/)[0])).toEqual([
      'free',
      'free',
      'pro',
    ]);
    expect((await attribute(record, 'plan')).at(-1)).toContain('different');
    expect(await attribute(record, 'account_number')).toEqual(Array(3).fill('90071992547409931234'));
    expect(troubles).toEqual([]);
    await record.scrollIntoViewIfNeeded();
    await keepPicture(page, 'report-record-open');
  });

  test('says what had changed since the message before', async () => {
    const { page } = await browser.open(html);
    const number = numberOf(({ changed_since_previous: changed }) => changed !== null && 'plan' in changed);
    const record = page.locator(`#r${number}`);
    expect(await record.locator('summary').textContent()).toMatch(/v5[\s\S]*plan.* changed/);
    await record.locator('summary').click();
    expect(await record.locator('.body > .changes').textContent()).toMatch(/plan free\s*→\s*pro/);
  });

  test('an interaction under another version of the profile says which, and what was different', async () => {
    const { page } = await browser.open(html);
    const number = numberOf(({ feedback, profile }) =>
      feedback.some((entry) => entry.profile.version !== profile.version),
    );
    const made = records[number - 1] as ReportRecord;
    const other = made.feedback.find((entry) => entry.profile.version !== made.profile.version);
    const record = page.locator(`#r${number}`);
    await record.locator('summary').click();
    const beside = record.locator('.as').first();
    expect(await beside.textContent()).toContain(`v${other?.profile.version}`);
    await beside.locator('a').first().click();
    const target = page.locator(`#p-${(other?.profile.version ?? 0) - 1}`);
    expect(await target.isVisible()).toBe(true);
  });

  test('where there was no profile, or today’s is none of the report’s, the columns say so', async () => {
    const made = shopDocument({ records: 2 });
    const none = { status: 'none_yet', version: null, valid_from: null } as const;
    const [first, second] = [...made.records()] as [ReportRecord, ReportRecord];
    const today = {
      status: 'found',
      version: 9,
      valid_from: '2026-10-30T00:00:00.000Z',
      attributes: { plan: 'enterprise' },
    } as const;
    const { page, troubles } = await browser.open(
      htmlOf({ ...made, today, records: () => [{ ...first, profile: none }, second] }),
    );
    for (const id of ['r1', 'r2']) {
      await page.locator(`#${id} summary`).click();
      await page.locator(`#${id} table.profile`).waitFor();
    }
    expect(await page.locator('#r1 .was').allTextContents()).toContainEqual(
      expect.stringContaining('no profile yet at that time'),
    );
    expect(await attribute(page.locator('#r1'), 'plan')).toEqual([
      '—',
      expect.stringContaining('enterprise'),
    ]);
    const plans = await attribute(page.locator('#r2'), 'plan');
    expect(plans.map((cell) => cell.split(/\s/)[0])).toEqual(['—', 'free', 'enterprise']);
    expect(await page.locator('#r2 thead').textContent()).toContain('Today v9');
    await page.locator('header a[href="#p-today"]').click();
    expect(await page.locator('#p-today').isVisible()).toBe(true);
    expect(troubles).toEqual([]);
  });

  test('a mark leads to its message, the name of a campaign to its messages', async () => {
    const { page } = await browser.open(html);
    const mark = page.locator('.picture .k-converted').first();
    const number = await mark.getAttribute('data-r');
    await mark.click();
    await page.locator(`#r${number}[open]`).waitFor();
    await page.locator('.lanes a', { hasText: 'Back in stock' }).click();
    const count = records.filter(({ campaign }) => campaign.campaign_id === 'restock-sms').length;
    expect(await shown(page).count()).toBe(count);
  });

  test('what a machine did is told apart from what the user did', async () => {
    const { page } = await browser.open(html);
    const number = numberOf(({ feedback }) => feedback.length === 1 && feedback[0]?.is_machine === true);
    const record = page.locator(`#r${number}`);
    expect(await record.locator('summary').textContent()).toContain('Opened by a machine');
    await record.locator('summary').click();
    expect(await record.locator('.entries').textContent()).toContain('by a machine, not the user');
    await choose(page, 'What came of it', 'No reaction of a person');
    expect(await record.isVisible()).toBe(true);
  });

  test('filters by campaign, channel and reaction hide the others and say how many are shown', async () => {
    const { page } = await browser.open(html);
    const say = page.getByRole('status');
    const check = async (wanted: (record: ReportRecord) => boolean): Promise<void> => {
      const ids = records.flatMap((record, index) => (wanted(record) ? [`r${index + 1}`] : []));
      expect(await shown(page).evaluateAll((all) => all.map(({ id }) => id))).toEqual(ids);
      expect(await say.textContent()).toContain(`${ids.length} of 200 messages shown`);
    };
    const hasOpened = ({ feedback }: ReportRecord): boolean =>
      feedback.some(({ type, is_machine }) => type === 'OPENED' && !is_machine);

    await choose(page, 'Campaign', 'Cart reminder');
    await check(({ campaign }) => campaign.campaign_id === 'cart-reminder');
    await choose(page, 'What came of it', 'Opened (');
    await check((record) => record.campaign.campaign_id === 'cart-reminder' && hasOpened(record));
    await page.getByRole('button', { name: 'Clear' }).click();
    await expect.poll(() => shown(page).count()).toBe(200);
    await choose(page, 'Channel', 'SMS');
    await check(({ campaign }) => campaign.channel === 'SMS');
    await choose(page, 'Channel', 'all');
    await choose(page, 'What came of it', 'Bounced');
    await check(({ delivery }) => delivery.some(({ type }) => type === 'BOUNCED'));
    expect(await page.locator('.month:visible').count()).toBeLessThan(6);
  });

  test('the search finds messages, links and what stood in the profile then, accents or not', async () => {
    const { page } = await browser.open(html);
    const search = page.getByLabel('Search');
    await search.fill('leila bergen PRO position=2');
    const wanted = records.filter(
      ({ profile, feedback }) => (profile.version ?? 0) >= 5 && feedback.some(({ link }) => link !== null),
    );
    expect(wanted.length).toBeGreaterThan(0);
    // "pro" also stands in a campaign's name.
    expect(await shown(page).count()).toBeGreaterThanOrEqual(wanted.length);
    await search.fill(records[41]?.message_id ?? '');
    expect(await shown(page).evaluateAll((all) => all.map(({ id }) => id))).toEqual(['r42']);
    await search.fill('nothing has this in it');
    expect(await shown(page).count()).toBe(0);
    expect(await page.getByRole('status').textContent()).toContain('0 of 200');
  });

  test('the keyboard alone reaches the filters and the records, opens one and goes on to the next', async () => {
    const { page } = await browser.open(html);
    const focused = (): Promise<string> => page.evaluate('document.activeElement.textContent.trim()');
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Skip to the messages');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.name')).toBe('c');
    for (let stops = 0; stops < 7; stops += 1) await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.parentElement.id')).toBe('r1');
    const outline = await page.evaluate('getComputedStyle(document.activeElement).outlineStyle');
    expect(outline).toBe('solid');
    await page.keyboard.press('Enter');
    expect(await page.locator('#r1').getAttribute('open')).not.toBeNull();
    await page.keyboard.press('ArrowDown');
    expect(await page.evaluate('document.activeElement.parentElement.id')).toBe('r2');
    await page.keyboard.press('Space');
    expect(await page.locator('#r2').getAttribute('open')).not.toBeNull();
    await page.keyboard.press('Space');
    expect(await page.locator('#r2').getAttribute('open')).toBeNull();
    await keepPicture(page, 'report-keyboard');
  });

  test('on paper there is everything that is open and no control', async () => {
    const { page } = await browser.open(html, { colorScheme: 'dark' });
    await page.locator('#r2 summary').click();
    await page.locator('#r2 table.profile').waitFor();
    await page.emulateMedia({ media: 'print' });
    expect(await page.locator('#r2 table.profile').isVisible()).toBe(true);
    expect(await page.locator('#r3 .body').isVisible()).toBe(false);
    expect(await page.locator('#filters').isVisible()).toBe(false);
    expect(await page.getByRole('status').isVisible()).toBe(true);
    expect(await page.evaluate('getComputedStyle(document.documentElement).backgroundColor')).toBe(
      'rgb(255, 255, 255)',
    );
    await page.setViewportSize({ width: 690, height: 980 });
    await page.locator('#r1').scrollIntoViewIfNeeded();
    await keepPicture(page, 'report-print');
    const paper = await page.pdf({ path: artefact('report-print.pdf'), format: 'A4' });
    expect(paper.subarray(0, 5).toString()).toBe('%PDF-');
  });

  test('opens all that are shown, and closes them', async () => {
    const { page } = await browser.open(html);
    await choose(page, 'Campaign', 'Back in stock');
    const count = await shown(page).count();
    await page.getByRole('button', { name: 'Open all' }).click();
    expect(await page.locator('details.record[open]').count()).toBe(count);
    expect(await page.locator('details.record[open] table.profile').count()).toBe(count);
    await page.getByRole('button', { name: 'Close all' }).click();
    expect(await page.locator('details.record[open]').count()).toBe(0);
  });

  test('names from right to left and emoji are shown, and stay within their own line', async () => {
    const { page } = await browser.open(html);
    const name = page.locator('.record .name', { hasText: 'عروض الصيف للعملاء' }).first();
    expect(await name.isVisible()).toBe(true);
    expect(await directionOf(name)).toBe('rtl');
    expect(await directionOf(name.locator('xpath=..'))).toBe('ltr');
    expect(await page.getByText('Familientag 👨‍👩‍👧‍👦 im Laden').first().isVisible()).toBe(true);
  });

  test('dark where the reader’s machine is', async () => {
    const { page } = await browser.open(html, { colorScheme: 'dark' });
    const { ground, ink } = await page.evaluate<{ ground: string; ink: string }>(
      '(({ backgroundColor: ground, color: ink }) => ({ ground, ink }))(getComputedStyle(document.documentElement))',
    );
    expect(lightness(ground)).toBeLessThan(60);
    expect(lightness(ink)).toBeGreaterThan(200);
    await page.locator('#r50 summary').click();
    await keepPicture(page, 'report-dark-record-open');
    await page.evaluate('scrollTo(0, 0)');
    await keepPicture(page, 'report-dark');
  });

  test.each([320, 375, 768])('at a width of %i nothing has to be scrolled sideways', async (width) => {
    const { page } = await browser.open(html, { viewport: { width, height: 900 } });
    await page.locator('#r50 summary').click();
    await page.locator('#r50 table.profile').waitFor();
    for (const version of await page.locator('.version summary').all()) await version.click();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
    await page.locator('#r50').scrollIntoViewIfNeeded();
    if (width === 375) {
      await keepPicture(page, 'report-narrow-record-open');
      await page.evaluate('scrollTo(0, 0)');
      await keepPicture(page, 'report-narrow');
    }
  });

  test('without JavaScript the records open and lead to the profile of their time', async () => {
    const { page } = await browser.open(html, { javaScriptEnabled: false });
    expect(await page.locator('#filters').isVisible()).toBe(false);
    const record = page.locator('#r50');
    await record.locator('summary').click();
    expect(await record.locator('.entries').isVisible()).toBe(true);
    const link = record.locator('.was a');
    await link.click();
    const version = page.locator((await link.getAttribute('href')) as string);
    expect(await version.isVisible()).toBe(true);
    expect(await version.locator('tr', { hasText: 'plan' }).locator('td').allTextContents()).toEqual([
      'free',
      'pro',
    ]);
    await keepPicture(page, 'report-without-script');
  });

  test('what lies decades away is an arrow at the edge, and a sentence that leads to its message', async () => {
    const begin = Date.parse('2026-09-01T05:00:00.000Z');
    const month = Array.from({ length: 30 }, (_, day) => {
      const at = begin + day * 86_400_000;
      if (day === 4) return messageOf({ at, opened: ['2006-09-01T00:00:00.000Z'] });
      return messageOf({ at, ...(day % 5 === 2 ? { delivery: ['QUEUED', 'DROPPED'] } : {}) });
    });
    const { page, troubles } = await browser.open(htmlOf(documentOf(month, [])));
    const boxes = await Promise.all((await page.locator('.bar').all()).map((bar) => bar.boundingBox()));
    const places = boxes.map((box) => box?.x ?? 0).sort((a, b) => a - b);
    for (const [index, place] of places.slice(1).entries())
      expect(place - (places[index] ?? 0)).toBeGreaterThan(8);
    const arrow = page.locator('.picture .far');
    expect(await arrow.count()).toBe(1);
    expect((await arrow.boundingBox())?.x ?? 0).toBeLessThan((places[0] ?? 0) - 8);
    await keepPicture(page, 'report-wrong-clock');
    await arrow.click();
    await page.locator('#r5[open]').waitFor();
    await page.locator('#r5 summary').click();
    await choose(page, 'What came of it', 'Dropped');
    expect(await page.locator('#r5').isVisible()).toBe(false);
    await page.getByRole('link', { name: 'its message' }).click();
    await page.locator('#r5[open]').waitFor();
    expect(await page.locator('#r5').isVisible()).toBe(true);
    expect(troubles).toEqual([]);
  });

  test('a message without a SENT event is a hollow bar, in the legend too', async () => {
    const at = Date.parse('2026-09-01T05:00:00.000Z');
    const both = [messageOf({ at }), messageOf({ at, delivery: ['QUEUED', 'DROPPED'] })];
    const { page } = await browser.open(htmlOf(documentOf(both, [])));
    const fillOf = (name: string): Promise<string> =>
      page.evaluate(`getComputedStyle(document.querySelector('${name}')).fill`);
    expect(await fillOf('.unsent-bar')).toBe(
      await page.evaluate('getComputedStyle(document.documentElement).backgroundColor'),
    );
    expect(await fillOf('.bar')).not.toBe(await fillOf('.unsent-bar'));
    const [sent, unsent] = [
      await page.locator('.bar:not(.unsent-bar)').boundingBox(),
      await page.locator('.unsent-bar').boundingBox(),
    ];
    expect((unsent?.x ?? 0) + (unsent?.width ?? 0)).toBeLessThanOrEqual((sent?.x ?? 0) + 0.5);
    expect(await page.locator('.legend .unsent').textContent()).toBe('message without a SENT event');
    await keepPicture(page, 'report-never-sent');
  });

  test.each([
    ['3 messages', 3, {}],
    ['2,000 messages', 2000, { days: 700, extraVersions: 40 }],
  ] as const)('the picture of %s', async (name, count, rest) => {
    const large = htmlOf(shopDocument({ records: count, ...rest }));
    expect(Buffer.byteLength(large)).toBeLessThan(4 * 1024 * 1024);
    const { page, troubles } = await browser.open(large);
    expect(await page.locator('details.record').count()).toBe(count);
    expect(await page.locator('svg.picture').getAttribute('aria-label')).toContain(name);
    expect(troubles).toEqual([]);
    const [ready, loaded] = await page.evaluate<[number, number]>(
      '(({ domContentLoadedEventEnd, loadEventEnd }) => [domContentLoadedEventEnd, loadEventEnd])(performance.getEntriesByType("navigation")[0])',
    );
    process.stdout.write(
      `${name}: ${(Buffer.byteLength(large) / 1e6).toFixed(2)} MB, ready after ${Math.round(ready)} ms, loaded after ${Math.round(loaded)} ms\n`,
    );
    await keepPicture(page, `report-${count}-messages`);
  });
});

describeInBrowser('the HTML report of hostile text', (browser) => {
  const attacks = [
    '<script>window.__pwned = 1</script>',
    '</script><script>window.__pwned = 1</script>',
    '<img src=x onerror="window.__pwned = 1">',
    '" onmouseover="window.__pwned = 1" x="',
    "' autofocus onfocus='window.__pwned = 1",
    '</title></style></textarea><svg onload=window.__pwned=1>',
    '<!-- <script>',
    'javascript:window.__pwned=1',
    ' javascript:window.__pwned=1',
    'JaVaScRiPt:window.__pwned=1//https://',
    'data:text/html,<script>parent.__pwned=1</script>',
    '<%= window.__pwned = 1 %>',
    '{{7*7}} `window.__pwned=1`',
    '&lt;b&gt; &amp; &#x41;',
  ];

  test.each(attacks)('%s is shown and does nothing', async (attack) => {
    const { page, troubles } = await browser.open(htmlOf(documentWith(textsOf(attack))));
    await page.locator('#r1 summary').click();
    await page.locator('#r1 table.profile').waitFor();
    for (const summary of await page.locator('.version summary').all()) await summary.click();
    await page.locator('#r1 .name').hover();
    await page.locator('.picture use').first().hover({ force: true });
    expect(await page.evaluate('window.__pwned')).toBeUndefined();
    expect(await page.locator('#r1 .name').textContent()).toBe(attack);
    expect(await page.locator('h1').textContent()).toBe(attack);
    expect(await page.locator('#r1 .entries a:not([href^="#"])').count()).toBe(0);
    expect(
      await page.locator('img, iframe, [onerror], [onmouseover], [onfocus], [onload], [autofocus]').count(),
    ).toBe(0);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(1280);
    expect(troubles).toEqual([]);
  });

  test('a web link is one, and tells nobody where it was followed from', async () => {
    const link = 'https://www.example.com/a?b=1&c="2"';
    const { page } = await browser.open(htmlOf(documentWith({ ...textsOf('text'), link })));
    await page.locator('#r1 summary').click();
    const anchor = page.locator('#r1 .entries a:not([href^="#"])');
    expect(await anchor.textContent()).toBe(link);
    expect(await anchor.getAttribute('href')).toBe('https://www.example.com/a?b=1&c=%222%22');
    expect(await anchor.getAttribute('rel')).toBe('noreferrer noopener');
  });

  test('a script that got into the page all the same would not run', async () => {
    const broken = htmlOf(documentWith(textsOf('text'))).replace(
      '<main>',
      '<main><script>window.__pwned = 1</script><img src=x onerror="window.__pwned = 2"><p style="color: red">',
    );
    const { page, troubles } = await browser.open(broken);
    expect(await page.evaluate('window.__pwned')).toBeUndefined();
    expect(troubles.filter((text) => text.includes('Content Security Policy')).length).toBeGreaterThanOrEqual(
      3,
    );
  });

  test('any text in any place comes out as that text and adds no element', async () => {
    const { page } = await browser.open('<!doctype html>');
    const plain = await outline(page, htmlOf(documentWith(textsOf('a b'))));
    // Nothing but what a channel or a type is called is looked up, and such a name is none of these.
    const text = fc
      .string({
        unit: fc.oneof(
          fc.constantFrom(
            '<',
            '>',
            '"',
            "'",
            '&',
            '`',
            '=',
            '/',
            '-->',
            ']]>',
            '\n',
            '\t',
            'é',
            'ש',
            '\u200d',
          ),
          fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
        ),
        minLength: 1,
      })
      .map((made) => `x${made}x`);
    const texts = fc.record(Object.fromEntries(Object.keys(textsOf('')).map((place) => [place, text])));
    await fc.assert(
      fc.asyncProperty(texts, async (made) => {
        const all = { ...textsOf(''), ...made };
        const found = await outline(page, htmlOf(documentWith(all)));
        expect(found.tags).toBe(plain.tags);
        const { key, value, ...others } = all;
        const wanted = { ...others, key: `k${key}`, before: `v${value}`, after: `w${value}` };
        for (const [place, input] of Object.entries(wanted)) {
          if (place === 'database') expect(found.whole).toContain(expected(input));
          else expect(found.texts, place).toContain(expected(input));
        }
      }),
      { numRuns: 150 },
    );
  });
});

/** Control characters and the like as the page spells them: told here once more, character by character. */
function expected(text: string): string {
  return Array.from(text, (character) => {
    const code = character.codePointAt(0) ?? 0;
    const isControl = (code < 32 && code !== 9 && code !== 10) || (code >= 127 && code < 160);
    const turns = (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    const isLone = code >= 0xd800 && code <= 0xdfff;
    return isControl || turns || isLone || [0x2028, 0x2029, 0xfeff].includes(code)
      ? `\\u{${code.toString(16)}}`
      : character;
  }).join('');
}

interface Outline {
  /** Each element with the names of its attributes. */
  readonly tags: string;
  /** Of elements that hold nothing but text. */
  readonly texts: readonly string[];
  /** Everything that there is to read. */
  readonly whole: string;
}

/** What the browser's own parser makes of a page. */
function outline(page: Page, markup: string): Promise<Outline> {
  return page.evaluate<Outline>(`((markup) => {
    const made = new DOMParser().parseFromString(markup, 'text/html');
    const elements = [...made.querySelectorAll('*')];
    const isText = ({ nodeType }) => nodeType === 3;
    return {
      tags: elements.map(({ tagName, attributes }) => [tagName, ...[...attributes].map(({ name }) => name)].join(' ')).join('\\n'),
      texts: elements.filter(({ childNodes }) => [...childNodes].every(isText)).map(({ textContent }) => textContent),
      whole: made.documentElement.textContent,
    };
  })(${JSON.stringify(markup)})`);
}
