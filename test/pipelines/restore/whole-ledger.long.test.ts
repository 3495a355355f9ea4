/** ClickHouse lost altogether, and made anew out of the archive. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { EventStream } from '../../helpers/event-stream.ts';
import { produceLoad } from '../../helpers/restore-load.ts';
import { loseClickHouse, tableDigests } from '../../helpers/table-digests.ts';
import { WholeLedger } from '../../helpers/whole-ledger.ts';

let ledger: WholeLedger;

beforeAll(async () => {
  ledger = await WholeLedger.create(inject('configFile'));
});

afterAll(() => ledger[Symbol.asyncDispose]());

const restoreAll = (...options: string[]) =>
  ledger.command('archive', 'restore', '--to', 'clickhouse', '--all', ...options);

async function countsByIdentity(): Promise<{ events: number; changes: number }> {
  const [events] = await ledger.rows<{ n: string }>(
    "SELECT toString(count()) AS n FROM events FINAL WHERE startsWith(event_id, 'stream-')",
  );
  const [changes] = await ledger.rows<{ n: string }>(
    "SELECT toString(uniqExact(change_id)) AS n FROM profile_changes WHERE startsWith(change_id, 'stream-')",
  );
  return { events: Number(events?.n), changes: Number(changes?.n) };
}

describe('restore --all', () => {
  it('makes every table what it was', async () => {
    await produceLoad(ledger, 'one');
    const pipelines = ledger.start();
    await ledger.caughtUp();
    await pipelines.stop();
    await ledger.command('archive', 'index');
    const before = await tableDigests(ledger);
    await loseClickHouse(ledger);
    const { exitCode, stderr } = await restoreAll();
    expect(exitCode, stderr).toBe(0);
    expect(await tableDigests(ledger)).toEqual(before);
    for (const { rows } of Object.values(before)) expect(rows).toBeGreaterThan(0);

    // Once more beside what is there: nothing changes.
    expect((await restoreAll()).exitCode).toBe(0);
    expect(await tableDigests(ledger)).toEqual(before);
  });

  it('goes on where the archive ends, under load, with tracking ahead of it', async () => {
    const stream = new EventStream(ledger.harness, {
      roles: ['delivery', 'feedback', 'profiles'],
      perSecond: 300,
    });
    stream.start();
    const archive = ledger.start(['archive']);
    const others = ledger.start(['tracking', 'profiles']);
    await archive.until('something archived', () => stream.sent > 600);
    await archive.stop();
    const archived = await ledger.committed('archive');
    await others.until('tracking ahead', async () => {
      const tracked = await ledger.committed('tracking');
      return [...tracked].every(
        ([partition, offset]) =>
          partition.includes('definitions') || offset > (archived.get(partition) ?? 0) + 20,
      );
    });
    await others.kill();
    await loseClickHouse(ledger);

    // To Kafka a member that was killed is one until its session is over.
    const { exitCode, stderr } = await restoreAll('--force');
    expect(exitCode, stderr).toBe(0);
    const again = ledger.start();
    await again.until('some more', async () => (await countsByIdentity()).events > 0);
    await stream.stop();
    await ledger.caughtUp();
    const share = stream.sent / 3;
    expect(await countsByIdentity()).toEqual({ events: 2 * share, changes: share });
    await again.stop();
    const verdict = await ledger.command('verify', '--deep');
    expect(verdict.exitCode, verdict.stdout).toBe(0);
    const list = await ledger.command('offsets', 'list');
    expect(list.exitCode, list.stdout).toBe(0);
  });

  it('does not begin while pipelines run, unless it is forced; these then notice', async () => {
    const pipelines = ledger.start(['tracking', 'profiles']);
    await pipelines.until('it is ready', async () => (await pipelines.get('/readyz')).status === 200);
    const refused = await restoreAll();
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain('tracking is running');

    await loseClickHouse(ledger);
    const { exitCode, stderr } = await restoreAll('--force');
    expect(exitCode, stderr).toBe(0);
    await produceLoad(ledger, 'two');
    await pipelines.until('it has asked anew', () => pipelines.logged('has been moved by a person'));
    const archive = ledger.start(['archive']);
    await ledger.caughtUp();
    await pipelines.stop();
    await archive.stop();
    const verdict = await ledger.command('verify', '--deep');
    expect(verdict.exitCode, verdict.stdout).toBe(0);
  });
});
