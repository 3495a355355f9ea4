/** Gaps in the chain of segments that a person has accepted: one blob each, which nobody replaces. */
import type { ContainerClient } from '@azure/storage-blob';
import { z } from 'zod';
import type { OffsetRange, PartitionRef } from '../common/batch.ts';
import { blobErrorCode } from '../common/blob/container.ts';
import { UsageError } from '../common/errors.ts';
import type { AcceptsGaps, Gap } from '../common/gaps.ts';
import { blobFault } from './blob-fault.ts';
import type { HeadStore } from './head.ts';
import { type ArchivePlace, listed } from './listing.ts';

const VERSION = 1;

const range = z.object({ first: z.int().min(0), last: z.int().min(0) });
const recordSchema = range.extend({
  version: z.literal(VERSION),
  topic: z.string(),
  topic_id: z.string(),
  partition: z.int().min(0),
  by: z.string(),
  reason: z.string(),
  /** ISO 8601, UTC. */
  at: z.string(),
  /** Begun and never ended: some of its segments may lie in the archive, outside the chain. */
  abandoned_batch: range.nullable(),
});

export type GapRecord = Readonly<z.infer<typeof recordSchema>>;

export interface ListedGap {
  /** Without the configured prefix. */
  readonly path: string;
  /** Null when it is not one that this release can read, or not the one that its name says. */
  readonly record: GapRecord | null;
}

/** `gaps/<topic>/<topic id>/<partition>/<first>-<last>.json`, numbers padded as in segments. */
export function gapPath({ topic, topicId, partition }: PartitionRef, { first, last }: OffsetRange): string {
  const padded = (value: number) => String(value).padStart(20, '0');
  return `gaps/${topic}/${topicId}/${partition}/${padded(first)}-${padded(last)}.json`;
}

/**
 * The accepted gaps of a topic: of one partition in the order of their offsets.
 * @throws {Outage} the store cannot be asked
 */
export async function* listGaps(
  { container, prefix }: ArchivePlace,
  topic: string,
): AsyncGenerator<ListedGap> {
  const blobs = container.listBlobsFlat({ prefix: `${prefix}gaps/${topic}/`, includeMetadata: true });
  for await (const { name, metadata } of listed(blobs)) {
    // Accounts with a hierarchical namespace list their folders too.
    if (metadata?.hdi_isfolder === 'true') continue;
    const path = name.slice(prefix.length);
    const bytes = await container
      .getBlobClient(name)
      .downloadToBuffer()
      .catch((error: unknown) => {
        throw blobFault(error);
      });
    yield { path, record: parse(path, bytes.toString('utf8')) };
  }
}

function parse(path: string, text: string): GapRecord | null {
  const result = recordSchema.safeParse(parseJson(text));
  if (!result.success) return null;
  const { topic, topic_id: topicId, partition } = result.data;
  return gapPath({ topic, topicId, partition }, result.data) === path ? result.data : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export class GapRecords implements AcceptsGaps {
  readonly #container: ContainerClient;
  readonly #prefix: string;
  readonly #heads: HeadStore;

  constructor(container: ContainerClient, { prefix, heads }: { prefix: string; heads: HeadStore }) {
    this.#container = container;
    this.#prefix = prefix;
    this.#heads = heads;
  }

  /** The record first: a head that has moved on without one would be a hole that nobody accounts for. */
  async acceptGap(source: PartitionRef, gap: Gap): Promise<void> {
    const held = await this.#heads.read(source);
    const next = held.head?.next ?? gap.first;
    if (next === gap.last + 1) return;
    if (next !== gap.first) {
      throw new UsageError(`the archive needs offset ${next}: a gap can only be accepted from there on`);
    }
    await this.#record(source, gap, held.head?.intent ?? null);
    const begin = held.head?.begin ?? gap.first;
    await this.#heads.replace(source, held, { begin, next: gap.last + 1, intent: null });
  }

  /**
   * Writes the record unless it is there: the first who accepted a gap stays named.
   * @param abandoned a batch that was begun and can no longer be completed; segments of it may lie in the archive
   * @throws {Outage}
   */
  async #record(source: PartitionRef, gap: Gap, abandoned: OffsetRange | null): Promise<void> {
    const { first, last, by, reason, at } = gap;
    const record: GapRecord = {
      version: VERSION,
      topic: source.topic,
      topic_id: source.topicId,
      partition: source.partition,
      first,
      last,
      by,
      reason,
      at: new Date(at).toISOString(),
      abandoned_batch: abandoned === null ? null : { first: abandoned.first, last: abandoned.last },
    };
    const text = `${JSON.stringify(record, null, 2)}\n`;
    try {
      await this.#container
        .getBlockBlobClient(this.#prefix + gapPath(source, gap))
        .upload(text, Buffer.byteLength(text), {
          conditions: { ifNoneMatch: '*' },
          blobHTTPHeaders: { blobContentType: 'application/json' },
        });
    } catch (error) {
      if (blobErrorCode(error) !== 'BlobAlreadyExists') throw blobFault(error);
    }
  }
}
