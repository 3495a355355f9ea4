/** Asking for one campaign's report. */
import { parseAttributePath } from '../../campaign-report/attribute-path.ts';
import type { CampaignFormatName } from '../../campaign-report/formats.ts';
import { FORMAT_NAMES } from '../formats.ts';
import { type AskedRange, choiceOf, type Given, idOf, invalid, parsed, rangeOf, textOf } from './given.ts';

/** Times in milliseconds since the epoch. */
export interface CampaignReportAsk extends AskedRange {
  readonly campaignId: string;
  /** The attribute as it was given; null: not broken down. */
  readonly by: string | null;
  readonly format: CampaignFormatName;
}

const MOST_BY_BYTES = 4_096;

/** @throws {Problem} invalid_request */
export function campaignReportAsk(given: Given): CampaignReportAsk {
  const campaignId = idOf(given, 'campaign_id');
  if (campaignId === null) throw invalid('campaign_id', 'say which campaign’s report it is to be');
  return {
    campaignId,
    ...rangeOf(given),
    by: attributeOf(given),
    format: choiceOf(given, 'format', FORMAT_NAMES.campaign),
  };
}

function attributeOf(given: Given): string | null {
  const text = textOf(given, 'by');
  if (text === null) return null;
  if (Buffer.byteLength(text) > MOST_BY_BYTES) throw invalid('by', `is longer than ${MOST_BY_BYTES} bytes`);
  if (!text.isWellFormed()) throw invalid('by', 'is no well-formed Unicode');
  return parsed('by', () => parseAttributePath('by', text)).text;
}
