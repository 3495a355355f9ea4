/** What people open: names and values that would run are shown, and every figure is where it belongs. */
import { expect, test } from 'vitest';
import { CSV_COLUMNS, formatCsv } from '../../../pipelines/campaign-report/format/csv.ts';
import { binsOf } from '../../../pipelines/campaign-report/format/hours-chart.ts';
import { formatHtml } from '../../../pipelines/campaign-report/format/html.ts';
import { formatTable } from '../../../pipelines/campaign-report/format/table.ts';
import { hostileCampaign } from '../../helpers/campaign-document.ts';

test('CSV runs no formula, and its rows have the columns that its head names', () => {
  const csv = [...formatCsv(hostileCampaign())].join('');
  const rows = csv.split('\r\n').filter((line) => line !== '');
  expect(rows[0]).toBe(CSV_COLUMNS.join(','));
  // The head, the total, two and two hours, two sides of five groups, four flows.
  expect(rows).toHaveLength(1 + 1 + 4 + 10 + 4);
  for (const row of rows.slice(1)) expect(row).toMatch(/^'@tenant,'\+campaign,"'=/);
  expect(csv).toContain(`found,string,"'=cmd|""/c calc""!A1"`);
  expect(csv).toContain('found,number,-5,');
  expect(csv).toContain(',-3.5,');
  expect(csv).not.toMatch(/(^|,|")[=+@]/m);
});

test('HTML shows what is hostile, runs nothing, and loads nothing', () => {
  const html = [...formatHtml(hostileCampaign())].join('');
  expect(html).not.toContain('<script');
  expect(html).toContain('&lt;script&gt;alert(2)&lt;/script&gt;');
  expect(html).toMatch(
    /Content-Security-Policy" content="default-src &#39;none&#39;; style-src &#39;sha256-[\w+/=]+&#39;; base-uri &#39;none&#39;; form-action &#39;none&#39;"/,
  );
  expect(html).not.toMatch(/ style=| on\w+=|https?:|<link|<img|undefined|NaN|\[object/);
  expect(html.match(/<\/style>/g)).toHaveLength(1);
  expect(html).toContain('This report may lack messages');
  const empty = { ...hostileCampaign([]), breakdown: null };
  expect([...formatHtml(empty)].join('')).not.toContain('<svg');
});

test('a terminal gets no control characters', () => {
  const table = [...formatTable(hostileCampaign())].join('');
  expect(table).not.toContain('\u001b[31m');
  expect(table).not.toContain('\u202e');
  expect(table).toContain('(no profile yet)');
  expect(table).toContain('delivered / sent');
});

test('the chart has every hour once, in bins without holes', () => {
  const { event_hours } = hostileCampaign();
  expect(binsOf(event_hours).map(({ counts }) => counts.messages)).toEqual([12, 0, 12]);
  const long = hostileCampaign([
    '2024-01-01T00:00:00.000Z',
    '2024-01-01T05:00:00.000Z',
    '2026-12-31T23:00:00.000Z',
  ]);
  const bins = binsOf(long.event_hours);
  expect(bins.length).toBeLessThanOrEqual(400);
  expect(bins[0]?.counts.messages).toBe(24);
  expect(bins.at(-1)?.counts.messages).toBe(12);
  expect(binsOf([])).toEqual([]);
});
