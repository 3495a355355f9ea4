/** What people open: names and values that would run are shown, and every figure is where it belongs. */
import { expect, test } from 'vitest';
import { NO_FIGURES, RATES, ratesOf } from '../../../pipelines/campaign-report/figures.ts';
import { CSV_COLUMNS, formatCsv } from '../../../pipelines/campaign-report/format/csv.ts';
import { binsOf } from '../../../pipelines/campaign-report/format/hours-chart.ts';
import { formatHtml } from '../../../pipelines/campaign-report/format/html.ts';
import { formatTable } from '../../../pipelines/campaign-report/format/table.ts';
import type { Group } from '../../../pipelines/campaign-report/group.ts';
import type { CampaignReport } from '../../../pipelines/campaign-report/report.ts';

const HOSTILE = `</title></style><script>alert(1)</script>"'&\u001b[31m\u202e`;
const figures = {
  ...NO_FIGURES,
  messages: 12,
  recipients: 12,
  sent: 12,
  delivered: 10,
  conversion_value: -3.5,
};
const counted = { figures, rates: ratesOf(figures) };
const text = (value: string): Group => ({ status: 'found', type: 'string', value });
const groups = [
  text('<script>alert(2)</script>'),
  text('=cmd|"/c calc"!A1'),
  { status: 'found', type: 'number', value: '-5' } as const,
  { status: 'none_yet', type: null, value: null } as const,
];

function made(
  hours: readonly string[] = ['2026-08-11T09:00:00.000Z', '2026-08-11T11:00:00.000Z'],
): CampaignReport {
  const { recipients_delivered: _, unique_conversions: __, ...eventFigures } = figures;
  const side = {
    groups: groups.map((group) => ({ ...group, ...counted })),
    others: { groups: 3, ...counted },
  };
  return {
    report: {
      format: 1,
      program: 'campaign-ledger/0',
      tenant_id: '@tenant',
      campaign_id: '+campaign',
      campaign: {
        name: `=${HOSTILE}`,
        channel: HOSTILE,
        subject: HOSTILE,
        starts_at: null,
        ends_at: null,
        updated_at: '2026-08-01T00:00:00.000Z',
      },
      from: null,
      to: null,
      by: `/${HOSTILE}`,
      generated_at: '2026-10-01T00:00:00.000Z',
      complete_from: '2026-08-11T00:00:00.000Z',
      is_partial: true,
      first_sent_at: null,
      last_sent_at: null,
      last_event_at: null,
      rates: RATES,
    },
    totals: counted,
    send_hours: hours.map((hour) => ({ hour, ...counted })),
    event_hours: hours.map((hour) => ({ hour, figures: eventFigures })),
    breakdown: {
      at_send: side,
      today: side,
      flow: groups.map((group) => ({
        at_send: group,
        today: groups[0] as Group,
        recipients: 2,
        messages: 3,
      })),
      changed_recipients: 4,
    },
  };
}

test('CSV runs no formula, and its rows have the columns that its head names', () => {
  const csv = [...formatCsv(made())].join('');
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
  const html = [...formatHtml(made())].join('');
  expect(html).not.toContain('<script');
  expect(html).toContain('&lt;script&gt;alert(2)&lt;/script&gt;');
  expect(html).toMatch(
    /Content-Security-Policy" content="default-src &#39;none&#39;; style-src &#39;sha256-[\w+/=]+&#39;; base-uri &#39;none&#39;; form-action &#39;none&#39;"/,
  );
  expect(html).not.toMatch(/ style=| on\w+=|https?:|<link|<img|undefined|NaN|\[object/);
  expect(html.match(/<\/style>/g)).toHaveLength(1);
  expect(html).toContain('This report may lack messages');
  const empty = { ...made([]), breakdown: null };
  expect([...formatHtml(empty)].join('')).not.toContain('<svg');
});

test('a terminal gets no control characters', () => {
  const table = [...formatTable(made())].join('');
  expect(table).not.toContain('\u001b[31m');
  expect(table).not.toContain('\u202e');
  expect(table).toContain('(no profile yet)');
  expect(table).toContain('delivered / sent');
});

test('the chart has every hour once, in bins without holes', () => {
  const { event_hours } = made();
  expect(binsOf(event_hours).map(({ counts }) => counts.messages)).toEqual([12, 0, 12]);
  const long = made(['2024-01-01T00:00:00.000Z', '2024-01-01T05:00:00.000Z', '2026-12-31T23:00:00.000Z']);
  const bins = binsOf(long.event_hours);
  expect(bins.length).toBeLessThanOrEqual(400);
  expect(bins[0]?.counts.messages).toBe(24);
  expect(bins.at(-1)?.counts.messages).toBe(12);
  expect(binsOf([])).toEqual([]);
});
