/** Ten thousand broken payloads among five thousand good ones, through a process of each pipeline. */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { PipelineName } from '../../config/schema.ts';
import type { TopicRole } from '../../config/topics.ts';
import type { DeadLetterCodeName } from '../../pipelines/common/dead-letters/codes.ts';
import { peakRssMb } from '../bench/process-meter.ts';
import {
  auditArchive,
  auditDefinitions,
  auditEvents,
  auditLetters,
  auditProfiles,
  type Evidence,
  witness,
} from '../helpers/audit.ts';
import type { SeenRecord } from '../helpers/kafka-witness.ts';
import type { GoodRecord, Judged } from '../helpers/ledger-oracle.ts';
import { LetterOracle, type Verdict } from '../helpers/letter-oracle.ts';
import { type OwnParts, startOwnParts } from '../helpers/own-parts.ts';
import { type FuzzedRecord, fuzzedRecords, KINDS } from '../helpers/payload-fuzz.ts';
import type { PipelineChild } from '../helpers/pipeline-child.ts';
import { ROLES, WholeLedger } from '../helpers/whole-ledger.ts';

const SEED = Number(process.env.LEDGER_FUZZ_SEED ?? 1);
const COUNT = 10_000;
const PIPELINES: readonly PipelineName[] = ['tracking', 'archive', 'profiles'];
const MOST_RSS_MB = 512;

let parts: OwnParts;
let ledger: WholeLedger;
let children: ReadonlyMap<PipelineName, PipelineChild>;
let sent: readonly FuzzedRecord[];
let evidence: Evidence;
let verdicts: ReadonlyMap<SeenRecord, Verdict>;

beforeAll(async () => {
  // Ids of its own: in the shared registry a flipped bit would name another test's schema.
  parts = await startOwnParts(['registry']);
  const limits = { flushIntervalMs: 500 };
  ledger = await WholeLedger.create(inject('configFile'), {
    sizes: 'default',
    overrides: { ...parts.overrides, pipelines: { tracking: limits, archive: limits, profiles: limits } },
  });
  sent = [...fuzzedRecords(ledger.harness.encoders, { seed: SEED, count: COUNT })];
  children = new Map(PIPELINES.map((pipeline) => [pipeline, ledger.start([pipeline])]));
  for (const role of ROLES)
    await ledger.harness.produce(
      role,
      sent.filter((one) => one.role === role),
    );
  await ledger.caughtUp();
  evidence = await judgedEvidence();
});
afterAll(async () => {
  await ledger?.[Symbol.asyncDispose]();
  await parts?.[Symbol.asyncDispose]();
});

async function judgedEvidence(): Promise<Evidence> {
  const oracle = new LetterOracle(await givenOut());
  const found = new Map<SeenRecord, Verdict>();
  const records = await witness(ledger);
  const judge = (role: TopicRole): Judged => {
    const good: GoodRecord[] = [];
    const bad: SeenRecord[] = [];
    for (const record of records[role]) {
      const verdict = oracle.verdict(role, record);
      found.set(record, verdict);
      if (verdict.isGood) good.push({ record, value: asShown(verdict.value) });
      else bad.push(record);
    }
    return { good, bad };
  };
  verdicts = found;
  return {
    records,
    judged: {
      definitions: judge('definitions'),
      delivery: judge('delivery'),
      feedback: judge('feedback'),
      profiles: judge('profiles'),
    },
    topicIds: await ledger.topicIds(),
    holes: [],
  };
}

/** Ids count from 1: all that the registry knows, its own probes among them. */
async function givenOut(): Promise<ReadonlyMap<number, TopicRole | null>> {
  const ids = new Map<number, TopicRole | null>();
  for (let id = 1; ; id += 1) {
    const { status } = await fetch(`${ledger.config.schemaRegistry.url}/schemas/ids/${id}`);
    if (status === 404) return ids;
    ids.set(id, ROLES.find((role) => ledger.harness.encoders[role].schemaId === id) ?? null);
  }
}

/** ClickHouse writes a number that JSON does not have as null. */
function asShown(value: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Number.isFinite(value.value ?? 0) ? value : { ...value, value: null };
}

test('everything that was sent is there to be judged, and the oracle reads what an Avro library reads', () => {
  expect(new Set(sent.map(({ kind }) => kind))).toEqual(new Set(KINDS));
  for (const role of ROLES) {
    const { type } = ledger.harness.encoders[role];
    const own = sent.filter((one) => one.role === role);
    expect(evidence.records[role]).toHaveLength(own.length);
    const goodOnes = own.filter(({ kind }) => kind === 'good').length;
    expect(evidence.judged[role].good.length).toBeGreaterThanOrEqual(goodOnes);
    for (const record of evidence.records[role]) {
      const verdict = verdicts.get(record);
      if (verdict?.isGood !== true || record.value === null) continue;
      const payload = record.value.subarray(5);
      const theirs = type.fromBuffer(payload) as object;
      // Where Avro allows more than one encoding only the values can be compared, and a library keeps one of two equal keys.
      expect({ ...theirs, attributes: null }).toEqual({
        ...verdict.value,
        value: verdict.value.value,
        attributes: null,
      });
    }
  }
});

test('no process has died, nor taken more memory than it may', () => {
  for (const [pipeline, child] of children) {
    expect(child.end, `${pipeline}\n${child.tail}`).toBeNull();
    expect(peakRssMb(child.pid), pipeline).toBeLessThan(MOST_RSS_MB);
  }
});

test('every good one is tracked', async () => {
  expect(await auditEvents(ledger, evidence)).toEqual([]);
  expect(await auditDefinitions(ledger, evidence)).toEqual([]);
  expect(await auditProfiles(ledger, evidence)).toEqual([]);
});

test('every other one is one dead letter, as it was sent', async () => {
  const bad = ROLES.reduce((sum, role) => sum + evidence.judged[role].bad.length, 0);
  expect(bad).toBeGreaterThan(COUNT * 0.7);
  expect(await auditLetters(ledger, evidence)).toEqual([]);
});

test('under a code that is right', async () => {
  const wrong: string[] = [];
  const seen = new Set<string>();
  for (const role of ROLES) {
    const of = new Map(evidence.records[role].map((one) => [`${one.partition}/${one.offset}`, one]));
    for (const { headers } of await ledger.letters(role)) {
      const dl = Object.fromEntries(headers);
      const record = of.get(`${dl['dl.partition']}/${dl['dl.offset']}`);
      const verdict = record === undefined ? undefined : verdicts.get(record);
      const code = String(dl['dl.code']) as DeadLetterCodeName;
      seen.add(code);
      if (verdict?.isGood === false && verdict.codes.has(code)) continue;
      wrong.push(
        `${role} ${dl['dl.partition']}/${dl['dl.offset']}: ${code} (${dl['dl.reason']}), not ${verdict?.isGood === false ? [...verdict.codes].join() : 'good'}: ${record?.value?.toString('hex', 0, 200)}`,
      );
    }
  }
  expect(wrong.slice(0, 10)).toEqual([]);
  expect([...seen].sort()).toEqual([
    'attributes_missing',
    'attributes_not_object',
    'attributes_too_deep',
    'avro_bytes_left_over',
    'avro_invalid',
    'avro_truncated',
    'empty_id',
    'id_too_long',
    'invalid_utf8',
    'not_framed',
    'op_unknown',
    'schema_not_ours',
    'time_too_early',
    'time_too_late',
    'tombstone',
    'unknown_schema_id',
  ]);
});

test('all of them are archived, byte for byte', async () => {
  expect(await auditArchive(ledger, evidence)).toEqual([]);
});

test('and the processes end in good order', async () => {
  for (const child of children.values()) expect(await child.stop()).toEqual({ code: 0, signal: null });
});
