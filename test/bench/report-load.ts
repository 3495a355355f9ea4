/** What the suite of reports stands on: events as the cold suite makes them, and for each user a profile that changed a few times. */
import type { LedgerDatabase } from '../helpers/ledger-database.ts';
import { type ColdLoad, DAY_MS, FIRST_DAY, insertDay, TENANT } from './cold-load.ts';

const CHANGES_EACH = 4;
const CAMPAIGNS = 40;
const PROFILE_SOURCE = 'fedcba9876543210fedcba9876543210/0';
const DEFINITION_SOURCE = '00112233445566778899aabbccddeeff/0';

export async function fillReportLedger(
  ledger: LedgerDatabase,
  load: ColdLoad,
  say: (line: string) => void,
): Promise<void> {
  for (let day = 0; day < load.days; day += 1) {
    await insertDay(ledger, load, day);
    if (day % 10 === 9) say(`  ${((day + 1) * load.eventsPerDay).toLocaleString('en-US')} events`);
  }
  await ledger.client.command({
    query: `
      INSERT INTO profile_changes (tenant_id, user_id, changed_at, change_id, op, source_version, attributes, source, offset, recorded_at)
      WITH intDiv(number, {each:UInt32}) AS who, number % {each:UInt32} AS step,
        fromUnixTimestamp64Milli({start:Int64} + toInt64(step) * {apart:Int64} + toInt64(cityHash64(who) % {apart:UInt64})) AS at
      SELECT '${TENANT}', concat('u-', leftPad(toString(who), 7, '0')), at, concat('c-', toString(number)), if(step = 0, 'SNAPSHOT', 'PATCH'), NULL,
        if(step = 0, concat('{"plan":"free","city":"', ['Oslo', 'Rome', 'Riga'][who % 3 + 1], '","name":"User ', toString(who), '"}'),
          concat('{"plan":"', ['free', 'plus', 'pro'][(who + step) % 3 + 1], '"}')),
        '${PROFILE_SOURCE}', number, at + INTERVAL 1 SECOND
      FROM numbers({all:UInt64})`,
    query_params: {
      all: load.users * CHANGES_EACH,
      each: CHANGES_EACH,
      start: FIRST_DAY - 10 * DAY_MS,
      apart: Math.floor((load.days * DAY_MS) / CHANGES_EACH),
    },
  });
  await ledger.insert(
    'campaigns',
    Array.from({ length: CAMPAIGNS }, (_, index) => ({
      tenant_id: TENANT,
      campaign_id: `campaign-${index}`,
      updated_at: '2026-04-01 00:00:00.000',
      name: `Campaign ${index}`,
      channel: 'EMAIL',
      subject: 'Hello',
      source: DEFINITION_SOURCE,
      offset: index,
      recorded_at: '2026-04-01 00:00:01.000',
    })),
  );
}
