/** What reports there are to ask for, and what a request asks for, checked. */
import { type CampaignReportAsk, campaignReportAsk } from './campaign-report-ask.ts';
import { assertKnown, choiceOf, type Given } from './given.ts';
import { RANGE_PARAMETERS, type UserReportAsk, userReportAsk } from './user-report-ask.ts';

/** The first is the one that is meant where none is said. */
export const REPORT_KINDS = ['user', 'campaign'] as const;

export type ReportKind = (typeof REPORT_KINDS)[number];

export interface AskedUser {
  readonly kind: 'user';
  readonly ask: UserReportAsk;
}

export interface AskedCampaign {
  readonly kind: 'campaign';
  readonly ask: CampaignReportAsk;
}

export type Asked = AskedUser | AskedCampaign;

const PARAMETERS: Readonly<Record<ReportKind, readonly string[]>> = {
  user: ['kind', 'tenant_id', 'user_id', ...RANGE_PARAMETERS],
  campaign: ['kind', 'tenant_id', 'campaign_id', 'from', 'to', 'by', 'format'],
};

/** @throws {Problem} invalid_request */
export function askedOf(given: Given): Asked {
  const kind = choiceOf(given, 'kind', REPORT_KINDS);
  assertKnown(given, PARAMETERS[kind], ` for kind ${kind}`);
  return kind === 'user' ? { kind, ask: userReportAsk(given) } : { kind, ask: campaignReportAsk(given) };
}
