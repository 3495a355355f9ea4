/** profileAt against DuckDB's ASOF JOIN, which shares nothing with it. */
import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ProfileVersion } from '../../../pipelines/profiles/fold/fold-profile.ts';
import { profileAt } from '../../../pipelines/report/profile-timeline.ts';

function versionsAt(starts: readonly { at: number; deleted: boolean }[]): ProfileVersion[] {
  return starts.map(({ at, deleted }, index) => ({
    version: index + 1,
    validFrom: at,
    validTo: starts[index + 1]?.at ?? null,
    deleted,
    attributes: '{}',
    recordedAt: at,
    changeIds: [`c${index}`],
  }));
}

const histories = fc
  .uniqueArray(fc.record({ at: fc.integer({ min: -50, max: 50 }), deleted: fc.boolean() }), {
    selector: ({ at }) => at,
    maxLength: 40,
  })
  .map((list) => list.sort((a, b) => a.at - b.at));

test('every instant has the version that DuckDB finds', async () => {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  await connection.run('CREATE TABLE versions (version INTEGER, valid_from BIGINT, deleted BOOLEAN)');
  // Not prepared: the plan would be made for the empty table.
  const query = `
    SELECT CASE WHEN v.version IS NULL THEN 'none_yet' WHEN v.deleted THEN 'deleted' ELSE 'found ' || v.version END
    FROM range(-55, 56) AS instants (instant)
    ASOF LEFT JOIN versions AS v ON instants.instant >= v.valid_from
    ORDER BY instants.instant`;
  await fc.assert(
    fc.asyncProperty(histories, async (starts) => {
      const versions = versionsAt(starts);
      await connection.run('DELETE FROM versions');
      const appender = await connection.createAppender('versions');
      for (const { version, validFrom, deleted } of versions) {
        appender.appendInteger(version);
        appender.appendBigInt(BigInt(validFrom));
        appender.appendBoolean(deleted);
        appender.endRow();
      }
      appender.closeSync();
      const expected = (await connection.runAndReadAll(query)).getRows().map(([answer]) => answer);
      const found = Array.from({ length: 111 }, (_, index) => {
        const at = profileAt({ versions, knownFrom: null }, index - 55);
        return at.status === 'found' ? `found ${at.version.version}` : at.status;
      });
      expect(found).toEqual(expected);
    }),
    { numRuns: 60 },
  );
});
