import { describe, expect, it } from 'vitest';
import { headPath, parseSegmentPath, segmentPath } from '../../../pipelines/archive/segment-path.ts';

const source = { topic: 'campaign.feedback', topicId: 'ab'.repeat(16), partition: 7 };
const name = {
  ...source,
  first: 12,
  last: 3_000_000_000,
  schemaId: 5,
  folderTime: Date.UTC(2026, 10, 24, 3, 59, 59),
};

describe('paths in the container', () => {
  it('are what scripts outside rely on', () => {
    expect(segmentPath(name)).toBe(
      `raw/campaign.feedback/dt=2026-11-24/hour=03/00007-00000000000000000012-00000000003000000000-s0000000005-${'ab'.repeat(16)}.avro`,
    );
    expect(segmentPath({ ...name, schemaId: null })).toBe(
      `undecodable/campaign.feedback/dt=2026-11-24/hour=03/00007-00000000000000000012-00000000003000000000-${'ab'.repeat(16)}.avro`,
    );
    expect(headPath(source)).toBe(`heads/campaign.feedback/${'ab'.repeat(16)}/7.json`);
  });

  it('are read back', () => {
    const folderTime = Date.UTC(2026, 10, 24, 3);
    for (const one of [
      name,
      { ...name, schemaId: null },
      { ...name, partition: 123_456, schemaId: 2_147_483_647 },
    ]) {
      expect(parseSegmentPath(segmentPath(one))).toEqual({ ...one, folderTime });
    }
  });

  it.each([
    [-1, 'dt=1970-01-01/hour=00'],
    [Number.MAX_SAFE_INTEGER, 'dt=9999-12-31/hour=23'],
    [Number.MIN_SAFE_INTEGER, 'dt=1970-01-01/hour=00'],
  ])('stand in the nearest folder when the Kafka timestamp %d has none', (folderTime, folder) => {
    expect(segmentPath({ ...name, folderTime })).toContain(folder);
  });

  it.each([
    'raw/t/dt=2026-11-24/hour=03/7-12-30-s5-abc.avro',
    segmentPath(name).replace('raw/', 'undecodable/'),
    segmentPath(name).replace('-s0000000005', ''),
    `x/${segmentPath(name)}`,
    headPath(source),
  ])('are not mistaken: %s', (path) => {
    expect(parseSegmentPath(path)).toBeNull();
  });
});
