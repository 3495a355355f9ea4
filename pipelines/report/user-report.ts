/** One user's report over all campaigns: out of ClickHouse, the cold tier, and the segments that are in neither. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Config } from '../../config/schema.ts';
import type { HeadPosition } from '../archive/head-positions.ts';
import type { ArchivePlace } from '../archive/listing.ts';
import type { HeldManifest } from '../cold/cold-store.ts';
import type { Extent } from '../cold/exported.ts';
import { readLetGo } from '../cold/let-go.ts';
import { partitionKey } from '../common/batch.ts';
import type { WriterSchemas } from '../common/registry/writer-schemas.ts';
import { hasBase } from '../profiles/bases.ts';
import { Assembler, type ReportCampaign, refOf } from './assemble.ts';
import { currentCampaigns } from './current-campaigns.ts';
import { headerDigest, ReportDigest } from './digest.ts';
import { EventStage, type RangeBy, type ReportEvent, type ReportRange } from './event-stage.ts';
import { Pin, type PinnedPartition, type Placed } from './pin.ts';
import { type ProfileHistory, profileAt } from './profile-timeline.ts';
import { PROGRAM } from './program.ts';
import { type ReportReader, readDefinitions, readUser, type UserKey } from './read-clickhouse.ts';
import { type ColdRows, readCold } from './read-cold.ts';
import { localHistory, readBase, wholeHistory } from './read-history.ts';
import { type PipelinePositions, readPositions } from './read-progress.ts';
import { type RawRows, rangesBehind, readHeads, readRaw, type Wanted } from './read-raw.ts';
import { CANONICAL, recordPieces } from './record-pieces.ts';
import type {
  ProfileToday,
  RecordedBy,
  ReportDocument,
  ReportHeader,
  ReportSources,
  StreamedRecord,
} from './report.ts';
import { profileChange, reportDefinition, reportEvent } from './report-rows.ts';

export interface UserReportRequest extends UserKey {
  readonly range: ReportRange;
  readonly by?: RangeBy;
  /** Milliseconds since the epoch: what was recorded later is not known. */
  readonly knownAt?: number | null;
  /** Milliseconds since the epoch: stands in the header, and says what today is. */
  readonly generatedAt: number;
  /** Of an earlier report that is to be made again. */
  readonly pin?: readonly PinnedPartition[];
  /** Ends the work; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Of the user's events that are read, in whatever range: with more there is no report but `TooManyEvents`. */
  readonly maxEvents?: number;
  /** Told of events as they are read, those that are not in the range too. */
  readonly onEvent?: () => void;
}

export interface ReportContext extends ReportReader {
  /** Null: ClickHouse alone is asked. The report may lack what is old or was recorded a moment ago, and says so. */
  readonly blob: BlobContext | null;
  /** Whose clock the Kafka timestamps are; left out: nobody can say. */
  readonly readClock?: () => Promise<RecordedBy>;
  /** How far the pipelines are, read no earlier than it is asked for; left out: each report reads it. */
  readonly positions?: () => Promise<PipelinePositions>;
  /** What ClickHouse lets go, on the same terms. */
  readonly letGo?: () => Promise<Extent>;
}

export interface BlobContext {
  readonly place: ArchivePlace;
  readonly config: Pick<Config, 'kafka' | 'validation'>;
  readonly schemas: WriterSchemas;
  /** How far the archive is, read no earlier than it is asked for; left out: each report reads it. */
  readonly heads?: () => Promise<HeadPosition[]>;
  /** What the cold tier holds, on the same terms. */
  readonly manifest?: () => Promise<HeldManifest>;
}

/** The user has more events than the report was to have. */
export class TooManyEvents extends Error {
  override readonly name = 'TooManyEvents';
}

/** An earlier report cannot be made again, as what it stood on is not there. */
export class UnreachableOffsets extends Error {
  override readonly name = 'UnreachableOffsets';
}

export interface UserReportResult {
  /** To be disposed of. */
  readonly document: ReportDocument;
  /** False when nothing at all is stored of the user: no event and no profile. */
  readonly isKnownUser: boolean;
  /** Rows that were met and had been recorded behind the pin. */
  readonly rejected: number;
}

/**
 * @throws {Outage} ClickHouse, Blob, or the schema registry cannot be asked
 * @throws {DamagedColdFile} or {DamagedArchive}: the report would lack rows
 * @throws {OfflineBlob} one of those that it must read is in the archive tier
 */
export async function makeUserReport(
  context: ReportContext,
  request: UserReportRequest,
): Promise<UserReportResult> {
  const stage = new EventStage();
  try {
    return await report(context, request, stage);
  } catch (error) {
    stage[Symbol.dispose]();
    throw error;
  }
}

async function report(
  context: ReportContext,
  request: UserReportRequest,
  stage: EventStage,
): Promise<UserReportResult> {
  const { tenantId, userId, range, by = 'send', knownAt = null, generatedAt } = request;
  const user = { tenantId, userId };
  const { blob } = context;
  const pin = new Pin(request.pin);
  const isWanted = (row: Placed & { readonly recordedAt: number }): boolean =>
    (knownAt === null || row.recordedAt <= knownAt) && pin.admits(row);
  const { signal, maxEvents = Number.POSITIVE_INFINITY, onEvent } = request;
  let read = 0;
  const add = (event: ReportEvent): void => {
    signal?.throwIfAborted();
    read += 1;
    if (read > maxEvents) throw new TooManyEvents(`the user has more than ${maxEvents} events`);
    if (isWanted(event)) stage.add(event);
    onEvent?.();
  };

  // What is below the positions is in ClickHouse, or has left it for the cold tier, whose manifest is read afterwards; what
  // is not below them, and archived, is read from the segments. So no row can be missed, and those that are met twice are
  // copies like others.
  const [positions, heads] = await Promise.all([
    context.positions?.() ?? readPositions(context),
    blob === null ? [] : (blob.heads?.() ?? readHeads(blob)),
  ]);
  const wanted = pinned(pin, positions, blob === null ? [] : rangesBehind(blob, { heads, positions }));
  assertReachable(request.pin ?? [], { positions, wanted });
  const [own, letGo] = await Promise.all([
    readUser(context, user, { onEvent: add }),
    context.letGo?.() ?? readLetGo(context.clickhouse, context.database),
  ]);
  const localIds = stage.campaignIds;
  const definitionsOf = (campaignIds: readonly string[]) =>
    readDefinitions(context, { tenantId, campaignIds, knownAt, pin });
  // Behind the changes: a base is written before they go.
  const base = blob === null ? await readBase(context, user) : null;
  const [localDefinitions, cold, raw] = await Promise.all([
    definitionsOf([...localIds]),
    blob === null
      ? null
      : readCold(blob.place, {
          user,
          letGo,
          hasBase: () => hasBase(context.clickhouse, user),
          ...(blob.manifest === undefined ? {} : { manifest: blob.manifest }),
          onEvents: (rows) => {
            for (const row of rows) add(reportEvent(row));
          },
        }),
    blob === null ? null : readRaw(blob, { user, wanted, onEvent: (row) => add(reportEvent(row)) }),
  ]);
  const otherIds = [...stage.campaignIds].filter((id) => !localIds.has(id));
  const definitions = [...localDefinitions, ...(await definitionsOf(otherIds))];

  const elsewhere = [...(cold?.changes ?? []), ...(raw?.changes ?? [])].map(profileChange);
  const changes = [...own.changes, ...elsewhere].filter(isWanted);
  const history =
    base !== null
      ? localHistory(changes, { base, isPartial: knownAt !== null || pin.isFixed })
      : wholeHistory(changes);
  const known = [...definitions, ...(raw?.definitions ?? []).map(reportDefinition)].filter(isWanted);
  const campaigns = currentCampaigns([...stage.campaignIds], known);

  signal?.throwIfAborted();
  for (const _ of stage.order(range, by)) {
    await nextTurn();
    signal?.throwIfAborted();
  }
  const made = { stage, history, campaigns };
  const { today, ...summary } = await summarize(made, generatedAt, signal);
  const header: Omit<ReportHeader, 'header_digest'> = {
    format: 1,
    program: PROGRAM,
    tenant_id: tenantId,
    user_id: userId,
    from: isoOrNull(range.from),
    to: isoOrNull(range.to),
    by,
    known_at: isoOrNull(knownAt),
    known_at_clock: knownAt === null ? null : ((await context.readClock?.()) ?? 'unknown'),
    generated_at: new Date(generatedAt).toISOString(),
    digest: summary.digest,
    counts: summary.counts,
    pin: pin.list(),
    sources: {
      clickhouse: {
        database: context.database,
        events: own.events,
        profile_changes: own.changes.length,
        campaigns: definitions.length,
      },
      cold: cold === null ? null : coldSource(cold),
      raw: raw === null ? null : rawSource(raw),
      local_only: blob === null,
    },
  };
  const isKnownUser =
    own.events + own.changes.length + (cold?.events ?? 0) + (raw?.events ?? 0) + elsewhere.length > 0;
  const { versions } = summary;
  const document = {
    header: { ...header, header_digest: headerDigest(header, today) },
    versions,
    today,
    records: () => recordsOf(made),
    [Symbol.dispose]: () => stage[Symbol.dispose](),
  };
  return { document, isKnownUser, rejected: pin.rejected };
}

/** Says how far the report goes in each partition. @returns what of the segments it needs */
function pinned(pin: Pin, positions: PipelinePositions, wanted: readonly Wanted[]): Wanted[] {
  for (const of of Object.values(positions))
    for (const [source, { topic, next }] of of) pin.raise(topic, source, next);
  for (const { source, last } of wanted) pin.raise(source.topic, partitionKey(source), last + 1);
  return wanted.flatMap((range) => {
    const last = Math.min(range.last, (pin.nextOf(partitionKey(range.source)) ?? 0) - 1);
    return range.first <= last ? [{ ...range, last }] : [];
  });
}

/**
 * What an earlier report stood on must be somewhere: in ClickHouse, whose progress is beyond it, or in segments.
 * @throws {UnreachableOffsets}
 */
function assertReachable(
  pin: readonly PinnedPartition[],
  { positions, wanted }: { readonly positions: PipelinePositions; readonly wanted: readonly Wanted[] },
): void {
  const stored = new Map(Object.values(positions).flatMap((of) => [...of]));
  for (const { topic, topic_id, partition, next } of pin) {
    if (topic === null) continue;
    const source = `${topic_id}/${partition}`;
    const first = stored.get(source)?.next ?? 0;
    const range = wanted.find((one) => partitionKey(one.source) === source);
    const last = range !== undefined && range.first <= first ? range.last : first - 1;
    if (last < next - 1)
      throw new UnreachableOffsets(
        `offsets ${last + 1} to ${next - 1} of ${topic}/${partition} (topic id ${topic_id}), which the report stood on, are neither in ClickHouse nor in the archive as it was asked: a database restored from a backup is behind until the pipelines have caught up or \`archive restore\` has brought them back; with --local-only the archive was not asked`,
      );
  }
}

interface Made {
  readonly stage: EventStage;
  readonly history: ProfileHistory;
  readonly campaigns: ReadonlyMap<string, ReportCampaign>;
}

function* recordsOf({ stage, history, campaigns }: Made): Generator<StreamedRecord> {
  const assembler = new Assembler({ history, campaigns });
  for (const message of stage.messages()) yield assembler.record(message);
}

/** A process that serves others as well is not held up for longer than so many take. */
const PIECES_AT_ONCE = 200;

/** What stands in the header of all records: they are made once for it, and once more when they are read. */
async function summarize({ stage, history, campaigns }: Made, now: number, signal: AbortSignal | undefined) {
  const assembler = new Assembler({ history, campaigns });
  const digest = new ReportDigest();
  let [records, events, pieces] = [0, 0, 0];
  for (const message of stage.messages()) {
    records += 1;
    events += message.events;
    for (const _ of digest.recordSteps(recordPieces(assembler.record(message), CANONICAL))) {
      pieces += 1;
      if (pieces % PIECES_AT_ONCE > 0) continue;
      await nextTurn();
      signal?.throwIfAborted();
    }
  }
  const versions = assembler.namedVersions();
  for (const version of versions) digest.version(version);
  const at = profileAt(history, now);
  const today: ProfileToday = {
    ...refOf(at),
    attributes: at.status === 'found' ? assembler.versionOf(at.version).attributes : null,
  };
  return {
    digest: digest.text,
    counts: { records, events, profile_versions: versions.length },
    versions,
    today,
  };
}

function isoOrNull(milliseconds: number | null): string | null {
  return milliseconds === null ? null : new Date(milliseconds).toISOString();
}

function coldSource({ changes, ...facts }: ColdRows): ReportSources['cold'] {
  const { through, months, files, events, requests, bytes } = facts;
  return { through, months, files, events, profile_changes: changes.length, requests, bytes };
}

function rawSource({ events, changes, definitions, segments, records }: RawRows): ReportSources['raw'] {
  return {
    segments,
    records,
    events,
    profile_changes: changes.length,
    campaigns: new Set(definitions.map((row) => reportDefinition(row).campaignId)).size,
  };
}
