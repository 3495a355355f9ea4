/**
 * The head of a partition: a small blob that says what the archive needs next and what is being written. It alone
 * decides who may go on, because it is only ever replaced under the condition that nobody else has done so.
 */
import type { BlockBlobClient, ContainerClient } from '@azure/storage-blob';
import { z } from 'zod';
import type { OffsetRange, PartitionRef } from '../common/batch.ts';
import { blobErrorCode } from '../common/blob/container.ts';
import { Fenced, Outage, PartitionStopped } from '../common/errors.ts';
import { blobFault } from './blob-fault.ts';
import { headPath } from './segment-path.ts';

/** What the batch was begun with: enough for whoever takes over to build the very same segments. */
export interface Intent extends OffsetRange {
  /** Version of the segment format. */
  readonly format: number;
  /** Ids that the registry knew as usable Avro schemas: records under all others are undecodable. Ascending. */
  readonly schemas: readonly number[];
}

export interface Position {
  /** Where the archive of this partition begins: without it, nobody would miss the first segments. */
  readonly begin: number;
  /** The next offset that the archive needs: the end of the chain of segments. */
  readonly next: number;
}

export interface Head extends Position {
  /** A batch that may be written in part; begins at `next`. */
  readonly intent: Intent | null;
}

/** A head with the tag under which it may be replaced; null tag: there is none yet. */
export interface HeldHead {
  readonly head: Head | null;
  readonly etag: string | null;
}

const VERSION = 1;
/** Far above what the ids of a hundred thousand schemas take. */
const MAX_HEAD_BYTES = 4 * 1024 * 1024;
const offset = z.int().min(0);
const headSchema = z.object({
  version: z.literal(VERSION),
  topic: z.string(),
  topic_id: z.string(),
  partition: z.int().min(0),
  begin: offset,
  next: offset,
  intent: z
    .object({ first: offset, last: offset, format: z.int().min(1), schemas: z.array(offset) })
    .refine(({ first, last }) => first <= last)
    .nullable(),
});

/** Heads as they lie in the container. */
export class HeadStore {
  readonly #container: ContainerClient;
  readonly #prefix: string;

  constructor(container: ContainerClient, prefix: string) {
    this.#container = container;
    this.#prefix = prefix;
  }

  /**
   * @throws {Outage} the store cannot be asked
   * @throws {PartitionStopped} there is a head, but not one that this release can read
   */
  async read(source: PartitionRef): Promise<HeldHead> {
    const answer = await this.#blob(source)
      .download()
      .then(async ({ readableStreamBody, etag }) => ({ text: await textOf(readableStreamBody), etag }))
      .catch(async (error: unknown) => {
        if (isMissing(error)) return null;
        throw blobFault(error);
      });
    if (answer === null) return { head: null, etag: null };
    if (answer.etag === undefined) throw new Outage('blob', 'a head came without its ETag');
    return { head: parse(source, answer.text), etag: answer.etag };
  }

  /**
   * Replaces the head that is held. An answer that was lost on the way is no failure: what stands there is read again,
   * and if it is what was to be written, it was.
   * @returns what is held now
   * @throws {Fenced} somebody else has replaced it
   * @throws {Outage} the store cannot be asked, or it is not known whether it did as it was told
   */
  async replace(source: PartitionRef, held: HeldHead, head: Head): Promise<HeldHead> {
    const text = toText(source, head);
    const conditions = held.etag === null ? { ifNoneMatch: '*' } : { ifMatch: held.etag };
    try {
      const { etag } = await this.#blob(source).upload(text, Buffer.byteLength(text), {
        conditions,
        // So that a listing shows where all partitions are.
        metadata: { begin: String(head.begin), next: String(head.next) },
        blobHTTPHeaders: { blobContentType: 'application/json' },
      });
      if (etag === undefined) throw new Outage('blob', 'a head was replaced, but its ETag did not come back');
      return { head, etag };
    } catch (error) {
      if (!isLostCondition(error)) throw blobFault(error);
    }
    const found = await this.read(source);
    if (found.head !== null && toText(source, found.head) === text) return found;
    throw new Fenced(
      `another process has replaced the head of ${source.topic}/${source.partition} (now at ${found.head?.next ?? 'nothing'})`,
    );
  }

  #blob(source: PartitionRef): BlockBlobClient {
    return this.#container.getBlockBlobClient(this.#prefix + headPath(source));
  }
}

/** Only what the partition's data decide: the same step writes the same text, whoever takes it and whenever. */
function toText({ topic, topicId, partition }: PartitionRef, { begin, next, intent }: Head): string {
  const body = { version: VERSION, topic, topic_id: topicId, partition, begin, next, intent };
  return `${JSON.stringify(body, null, 2)}\n`;
}

function parse(source: PartitionRef, text: string): Head {
  const result = headSchema.safeParse(parseJson(text));
  const isOurs =
    result.success && result.data.topic_id === source.topicId && result.data.partition === source.partition;
  if (isOurs) {
    const { begin, next, intent } = result.data;
    return { begin, next, intent };
  }
  throw new PartitionStopped(
    'head_unreadable',
    `the archive's head ${headPath(source)} is not one that this release can read (version ${VERSION}); if a newer release wrote it, run that one`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** No more of it than a head may have: what goes on is cut off, and then it is none. */
async function textOf(stream: NodeJS.ReadableStream | undefined): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of stream ?? []) {
    parts.push(Buffer.from(part));
    bytes += part.length;
    if (bytes > MAX_HEAD_BYTES) break;
  }
  return Buffer.concat(parts).toString('utf8');
}

function isMissing(error: unknown): boolean {
  return blobErrorCode(error) === 'BlobNotFound';
}

/** Also when the head to be replaced is gone: then it is not the one that is held. */
function isLostCondition(error: unknown): boolean {
  const code = blobErrorCode(error);
  return code === 'ConditionNotMet' || code === 'BlobAlreadyExists' || code === 'BlobNotFound';
}
