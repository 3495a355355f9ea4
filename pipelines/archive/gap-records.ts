/** Gaps in the chain of segments that a person has accepted: one blob each, which nobody replaces. */
import type { ContainerClient } from '@azure/storage-blob';
import type { OffsetRange, PartitionRef } from '../common/batch.ts';
import { blobErrorCode } from '../common/blob/container.ts';
import { UsageError } from '../common/errors.ts';
import type { AcceptsGaps, Gap } from '../common/gaps.ts';
import { blobFault } from './blob-fault.ts';
import type { HeadStore } from './head.ts';

/** `gaps/<topic>/<topic id>/<partition>/<first>-<last>.json`, numbers padded as in segments. */
export function gapPath({ topic, topicId, partition }: PartitionRef, { first, last }: OffsetRange): string {
  const padded = (value: number) => String(value).padStart(20, '0');
  return `gaps/${topic}/${topicId}/${partition}/${padded(first)}-${padded(last)}.json`;
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
    const record = {
      version: 1,
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
