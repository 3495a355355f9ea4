/** A campaign's report in which names and values would run, if anything ran them. */
import { NO_FIGURES, RATES, ratesOf } from '../../pipelines/campaign-report/figures.ts';
import type { Group } from '../../pipelines/campaign-report/group.ts';
import type { CampaignReport } from '../../pipelines/campaign-report/report.ts';

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

export function hostileCampaign(
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
