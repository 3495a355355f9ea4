/** One letter with everything that helps to understand it: decoded as far as it goes, and where it goes no further. */

import { bytesToJson } from '../common/avro/lossless.ts';
import { schemaIdOf } from '../common/avro/wire-format.ts';
import { DEAD_LETTER_CODES, type DeadLetterCodeName } from '../common/dead-letters/codes.ts';
import type { RegistryHttp } from '../common/registry/registry-http.ts';
import type { Plain } from './avro-value.ts';
import type { CorrectedRecord, Corrections } from './corrected-record.ts';
import { type Letter, originText } from './letter.ts';
import { instantOf, type PayloadFault, plainField, type ReadPayload } from './payload-fields.ts';
import { type Pointer, pointAt } from './pointer.ts';
import type { Refusal } from './refusal.ts';
import type { ReplayEntry } from './replay-log.ts';

/** As `dead-letters show --format json` prints it. Bytes are text, or `{base64}` where they are none. */
export interface LetterDescription {
  readonly letter: string;
  readonly topic: string;
  readonly topic_id: string;
  readonly partition: number;
  readonly offset: number;
  readonly dead_letter: { readonly topic: string; readonly partition: number; readonly offset: number };
  readonly found_at: string | null;
  readonly code: string;
  readonly reason: string;
  readonly meaning: string | null;
  readonly remedy: string | null;
  readonly replay_of: string | null;
  readonly replayed: ReplayEntry | null;
  /** Only of a letter that was cut: what it was before, and whether what is shown is the whole. */
  readonly cut: { readonly bytes: number; readonly sha256: string; readonly is_whole: boolean } | null;
  readonly key: Plain;
  readonly headers: readonly { readonly name: string; readonly value: Plain }[];
  readonly bytes: number | null;
  readonly schema: SchemaDescription | null;
  readonly fields: readonly FieldDescription[];
  /** Where decoding ends before the record does, or before the value does. */
  readonly undecodable: PayloadFault | null;
  readonly points_at: Pointer | null;
  /** What the pipelines would say of the record now; null when they would store it. */
  readonly now: Refusal | null;
}

export interface FieldDescription {
  readonly name: string;
  /** Its first, from the start of the value. */
  readonly byte: number;
  readonly value: Plain;
  /** What an instant's number means, ISO 8601; null for every other field. */
  readonly time: string | null;
}

export interface SchemaDescription {
  readonly id: number;
  /** Under which it is registered, `<subject> version <n>`; empty when the registry does not say. */
  readonly registered: readonly string[];
  /** False when the registry has no such record schema. */
  readonly is_known: boolean;
}

export interface DescribeOptions {
  readonly corrections: Corrections;
  readonly registry: RegistryHttp;
  readonly replayed: ReplayEntry | null;
  /** True when the value is looked at under another schema id than it has. */
  readonly isReaddressed: boolean;
}

export interface DescribedLetter {
  readonly description: LetterDescription;
  /** The bytes that `description` counts in: as many as could be had. */
  readonly value: Buffer | null;
}

/** @throws {Outage} registry or archive cannot be asked */
export async function describeLetter(
  letter: Letter,
  { corrections, registry, replayed, isReaddressed }: DescribeOptions,
): Promise<DescribedLetter> {
  const corrected = await corrections.correct(letter);
  const isWhole = !('reason' in corrected);
  const now = isWhole ? corrected.fault : corrected;
  const { key, value, headers }: Pick<CorrectedRecord, 'key' | 'value' | 'headers'> = isWhole
    ? corrected
    : letter;
  const schemaId = schemaIdOf(value);
  const payload = await readPayload(corrections, value);
  const { origin, code, reason, atMs, cut, replayOf } = letter;
  const known = Object.hasOwn(DEAD_LETTER_CODES, code) ? DEAD_LETTER_CODES[code as DeadLetterCodeName] : null;
  const description: LetterDescription = {
    letter: originText(origin),
    topic: origin.topic,
    topic_id: origin.topicId,
    partition: origin.partition,
    offset: origin.offset,
    dead_letter: { topic: letter.topic, partition: letter.partition, offset: letter.offset },
    found_at: Number.isNaN(atMs) ? null : new Date(atMs).toISOString(),
    code,
    reason,
    meaning: known?.meaning ?? null,
    remedy: known?.remedy ?? null,
    replay_of: replayOf,
    replayed,
    cut: cut === null ? null : { ...cut, is_whole: isWhole },
    key: key === null ? null : bytesToJson(key),
    headers: headers.flatMap((header) =>
      Object.entries(header).map(([name, content]) => ({ name, value: bytesToJson(Buffer.from(content)) })),
    ),
    bytes: value?.length ?? null,
    schema:
      schemaId === null ? null : await describeSchema(registry, { id: schemaId, isKnown: payload !== null }),
    fields: payload === null || value === null ? [] : describeFields(payload, value),
    undecodable: payload?.fault ?? null,
    // What the letter says is true of the value as it is; under another schema only what is found now is.
    points_at: pointAt(isReaddressed ? now : letter, { value, payload }),
    now,
  };
  return { description, value };
}

function describeFields({ fields }: ReadPayload, value: Buffer): FieldDescription[] {
  return fields.map((field) => {
    const plain = plainField(field, value);
    return { name: field.name, byte: field.from, value: plain, time: instantOf(field, plain) };
  });
}

async function readPayload(corrections: Corrections, value: Buffer | null): Promise<ReadPayload | null> {
  const id = schemaIdOf(value);
  if (id === null || value === null) return null;
  return (await corrections.fieldsOf(id))?.read(value) ?? null;
}

async function describeSchema(
  registry: RegistryHttp,
  { id, isKnown }: { id: number; isKnown: boolean },
): Promise<SchemaDescription> {
  const { status, body } = await registry.send('GET', `/schemas/ids/${id}/versions`);
  const versions =
    status === 200 && Array.isArray(body) ? (body as { subject: string; version: number }[]) : [];
  return {
    id,
    registered: versions.map(({ subject, version }) => `${subject} version ${version}`),
    is_known: isKnown,
  };
}
