/** A report in which every text that others decide tries to be more than text. */
import type { ReportDocument, ReportedVersion, ReportRecord } from '../../pipelines/report/report.ts';
import { documentOf, refOf } from './report-documents.ts';

/** Each place with the text that stands there. */
export interface Texts {
  readonly tenant: string;
  readonly user: string;
  readonly campaign: string;
  readonly name: string;
  readonly channel: string;
  readonly subject: string;
  readonly message: string;
  readonly variant: string;
  readonly deliveryType: string;
  readonly reason: string;
  readonly provider: string;
  readonly feedbackType: string;
  readonly link: string;
  readonly userAgent: string;
  readonly key: string;
  readonly value: string;
  readonly topic: string;
  readonly database: string;
  readonly file: string;
}

const SEND = '2026-08-11T09:14:02.120Z';
const CLICK = '2026-08-11T12:40:10.000Z';

/** One message sent under one version of the profile and clicked under the next. */
export function documentWith(texts: Texts): ReportDocument {
  const first: ReportedVersion = {
    version: 1,
    valid_from: '2026-07-30T11:00:00.000Z',
    valid_to: '2026-08-11T12:00:00.000Z',
    attributes: { [`k${texts.key}`]: `v${texts.value}` },
  };
  const second: ReportedVersion = {
    version: 2,
    valid_from: '2026-08-11T12:00:00.000Z',
    valid_to: null,
    attributes: { [`k${texts.key}`]: `w${texts.value}` },
  };
  const record: ReportRecord = {
    message_id: texts.message,
    sent_at: SEND,
    variant: texts.variant,
    campaign: {
      campaign_id: texts.campaign,
      name: texts.name,
      channel: texts.channel,
      subject: texts.subject,
    },
    delivery: [
      {
        event_id: 'd1',
        type: texts.deliveryType,
        occurred_at: SEND,
        reason: texts.reason,
        provider: texts.provider,
        profile: refOf(first),
      },
    ],
    feedback: [
      {
        event_id: 'f1',
        type: texts.feedbackType,
        occurred_at: CLICK,
        link: texts.link,
        is_machine: false,
        value: null,
        user_agent: texts.userAgent,
        profile: refOf(second),
      },
    ],
    profile: refOf(first),
    changed_since_previous: null,
  };
  const { header, ...made } = documentOf([record], [first, second]);
  const { sources } = header;
  return {
    ...made,
    header: {
      ...header,
      tenant_id: texts.tenant,
      user_id: texts.user,
      pin: [{ topic: texts.topic, topic_id: texts.topic, partition: 0, next: 1 }],
      sources: {
        ...sources,
        clickhouse: { ...sources.clickhouse, database: texts.database },
        cold: sources.cold && { ...sources.cold, files: [texts.file] },
      },
    },
  };
}

/** The same text in every place. */
export function textsOf(text: string): Texts {
  return {
    tenant: text,
    user: text,
    campaign: text,
    name: text,
    channel: text,
    subject: text,
    message: text,
    variant: text,
    deliveryType: text,
    reason: text,
    provider: text,
    feedbackType: text,
    link: text,
    userAgent: text,
    key: text,
    value: text,
    topic: text,
    database: text,
    file: text,
  };
}
