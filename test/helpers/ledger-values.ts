/** Values of the four topics with everything in them, for tests to change. */

/** When it all happened, in milliseconds. */
export const NOON = Date.UTC(2026, 10, 20, 12);

export function delivery(change: object = {}): object {
  return {
    event_id: 'd1',
    tenant_id: 'acme',
    campaign_id: 'spring',
    message_id: 'm1',
    user_id: 'u1',
    channel: 'EMAIL',
    type: 'SENT',
    occurred_at: NOON,
    variant: 'B',
    reason: null,
    provider: 'mailer',
    attributes: {},
    ...change,
  };
}

export function feedback(change: object = {}): object {
  return {
    event_id: 'f1',
    tenant_id: 'acme',
    campaign_id: 'spring',
    message_id: 'm1',
    user_id: 'u1',
    channel: 'EMAIL',
    type: 'CLICKED',
    occurred_at: NOON + 60_000,
    link: 'https://shop.example/?a=1&b=ü',
    user_agent: null,
    is_machine: true,
    value: 12.5,
    attributes: { region: 'north', größe: '' },
    ...change,
  };
}

export function definition(change: object = {}): object {
  return {
    tenant_id: 'acme',
    campaign_id: 'spring',
    name: 'Spring is here',
    channel: 'EMAIL',
    subject: 'Hello',
    starts_at: NOON,
    ends_at: null,
    updated_at: NOON,
    attributes: { team: 'green' },
    ...change,
  };
}

export function change(fields: object = {}): object {
  return {
    change_id: 'c1',
    tenant_id: 'acme',
    user_id: 'u1',
    op: 'SNAPSHOT',
    changed_at: NOON,
    source_version: null,
    attributes: '{"plan":"free"}',
    ...fields,
  };
}
