/** What may be asked for, by kind. */
import { FORMAT_NAMES } from '../formats.ts';
import { objectOf, text } from './schema-parts.ts';

const TIME =
  'A day (2026-08-01, which is 00:00 UTC) or an instant with its zone (2026-08-01T09:30:00+02:00).';
const id = (description: string) => text(description, { minLength: 1, maxLength: 1024 });

const RANGE = {
  from: text(`Messages sent at or after this time. ${TIME}`),
  to: text(`Messages sent before this time. ${TIME}`),
};
const formats = (names: readonly string[]) => text('Of the answer.', { enum: [...names], default: 'json' });
const tenant = (whose: string) =>
  id(`Whose ${whose}; may be left out where the token is good for one tenant only.`);

export const ASKS = {
  user: objectOf(
    {
      kind: { type: 'string', enum: ['user'], default: 'user' },
      user_id: id('Whose report. Any text of at most 1,024 bytes.'),
      tenant_id: tenant('user'),
      ...RANGE,
      by: text('What of a message has to lie in the range: when it was sent, or any event of it.', {
        enum: ['send', 'interaction'],
        default: 'send',
      }),
      known_at: text(`Only what had been recorded by then. ${TIME}`),
      format: formats(FORMAT_NAMES.user),
    },
    { title: 'Of a user over all campaigns', required: ['user_id'], additionalProperties: false },
  ),
  campaign: objectOf(
    {
      kind: { type: 'string', enum: ['campaign'] },
      campaign_id: id('Which campaign’s report. Any text of at most 1,024 bytes.'),
      tenant_id: tenant('campaign'),
      ...RANGE,
      by: text(
        'Break down by this attribute of the recipients’ profiles, as it was at each send and as it is today: plan, address.city, or a JSON pointer (/address/city.name). Left out: not broken down.',
        { minLength: 1, maxLength: 4096 },
      ),
      format: formats(FORMAT_NAMES.campaign),
    },
    { title: 'Of a campaign', required: ['kind', 'campaign_id'], additionalProperties: false },
  ),
};
