/** A job as it is told of: what is the same for every kind of report, and what was asked for. */
import { REPORT_KINDS, type ReportKind } from '../ask/report-ask.ts';
import { JOB_STATES } from '../jobs/job.ts';
import { PROBLEMS } from '../problems.ts';
import { ASKS } from './asks.ts';
import { asRef, objectOf, text, time, timeOrNull } from './schema-parts.ts';

const { user, campaign } = { user: ASKS.user.properties, campaign: ASKS.campaign.properties };
const RANGE = { from: timeOrNull, to: timeOrNull };

const ASKED = {
  user: {
    user_id: { type: 'string' },
    ...RANGE,
    by: user.by,
    known_at: timeOrNull,
    format: user.format,
  },
  campaign: {
    campaign_id: { type: 'string' },
    ...RANGE,
    by: { type: ['string', 'null'], description: 'The attribute, as it was given; null: not broken down.' },
    format: campaign.format,
  },
} as const;

/** A campaign's report is made by ClickHouse as a whole, and nothing pins what it stood on. */
const TOLD = {
  user: {
    progress: 'Events that were read, then records that were written.',
    digest: text('Of the report: the same for two reports that say the same.'),
  },
  campaign: {
    progress: 'Always 0: ClickHouse counts, and says nothing before it has done so.',
    digest: { type: 'null', description: 'There is none of such a report.' },
  },
} as const;

function jobOf(kind: ReportKind) {
  const { progress, digest } = TOLD[kind];
  return objectOf({
    id: text('Names the job.'),
    kind: { type: 'string', enum: [kind] },
    state: { type: 'string', enum: [...JOB_STATES] },
    tenant_id: { type: 'string' },
    ...ASKED[kind],
    created_at: time,
    started_at: timeOrNull,
    finished_at: timeOrNull,
    expires_at: { ...timeOrNull, description: 'When the result will be removed; null while there is none.' },
    progress: objectOf(
      { events_read: { type: 'integer' }, records: { type: 'integer' } },
      { description: progress },
    ),
    result: objectOf(
      { href: { type: 'string' }, bytes: { type: 'integer' }, digest },
      { type: ['object', 'null'] },
    ),
    problem: objectOf(
      { code: { type: 'string', enum: Object.keys(PROBLEMS) }, detail: { type: 'string' } },
      { type: ['object', 'null'], description: 'Why it failed.' },
    ),
    href: { type: 'string' },
  });
}

const nameOf = (kind: ReportKind): string => `${kind}_job`;

export const JOBS = {
  job: {
    oneOf: REPORT_KINDS.map((kind) => asRef(nameOf(kind))),
    discriminator: {
      propertyName: 'kind',
      mapping: Object.fromEntries(REPORT_KINDS.map((kind) => [kind, asRef(nameOf(kind)).$ref])),
    },
  },
  ...Object.fromEntries(REPORT_KINDS.map((kind) => [nameOf(kind), jobOf(kind)])),
};
