/** A late change of a user whose old changes are in the cold tier, while a file of it is offline. */
import { randomUUID } from 'node:crypto';
import { expect, inject, it } from 'vitest';
import { ColdStore } from '../../../pipelines/cold/cold-store.ts';
import { PROFILE_CHANGES } from '../../../pipelines/cold/cold-table.ts';
import { exportOwned } from '../../../pipelines/cold/export-changes.ts';
import { createContainer } from '../../../pipelines/common/blob/container.ts';
import { Outage } from '../../../pipelines/common/errors.ts';
import { createProfilesPipeline } from '../../../pipelines/profiles/pipeline.ts';
import { trimProfileChanges } from '../../../pipelines/retention/trim-profile-changes.ts';
import { LedgerHarness } from '../../helpers/ledger-harness.ts';
import { NOON } from '../../helpers/ledger-values.ts';
import { changeBatch, type RecordedChange, versionsOf } from '../../helpers/profile-changes.ts';

const HOUR_MS = 3_600_000;
const always = () => true;

const changeAt = (hour: number, offset: number): RecordedChange => ({
  user_id: 'u1',
  change_id: `at-${hour}`,
  op: 'PATCH',
  changed_at: NOON + hour * HOUR_MS,
  source_version: null,
  attributes: JSON.stringify({ n: hour }),
  recordedAt: NOON + 24 * HOUR_MS,
  partition: 0,
  offset,
});

it('the pipeline waits, says what to type, and goes on when the file is back', async () => {
  const prefix = `offline-changes-${randomUUID()}/`;
  await using ledger = await LedgerHarness.create(inject('configFile'), { overrides: { blob: { prefix } } });
  const { sink } = await ledger.pipeline(createProfilesPipeline);
  const { client } = ledger;
  const batch = changeBatch(
    ledger,
    'acme',
    Array.from({ length: 6 }, (_, offset) => changeAt(offset, offset)),
  );
  await sink.write([batch], always);
  const container = createContainer(ledger.config);
  const store = new ColdStore(container, prefix);
  const wanted = { [`${batch.source.topicId}/0`]: 6 };
  const { manifest } = await exportOwned(await store.readManifest(), PROFILE_CHANGES, wanted, {
    store,
    client,
  });
  const { signal } = new AbortController();
  await trimProfileChanges({ client, store, signal, manifest, horizon: NOON + 5 * HOUR_MS });
  const { files } = manifest.profile_changes;
  const [file] = files === null ? [] : (await store.readList(files)).files;
  const blob = container.getBlobClient(prefix + file?.path);
  await blob.setAccessTier('Archive');

  const late = changeBatch(ledger, 'acme', [changeAt(0.5, 6)]);
  const failure: unknown = await sink.write([late], always).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(Outage);
  expect(failure).toMatchObject({ service: 'blob' });
  expect((failure as Outage).message).toContain(`\`campaign-ledger archive rehydrate ${file?.path}\``);
  await blob.setAccessTier('Hot');
  await sink.write([late], always);
  expect((await versionsOf(ledger, 'acme')).u1).toHaveLength(7);
});
