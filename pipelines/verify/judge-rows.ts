/** Finds for each archived record its row, the earlier copy that stands for it, or its dead letter. */
import { hash } from 'node:crypto';
import type { OffsetRanges } from '../archive/offset-ranges.ts';
import type { Owner } from '../cold/cold-table.ts';
import type { PartitionRef } from '../common/batch.ts';
import type { VerifyCode } from './codes.ts';
import type { ColdPlace } from './cold-identities.ts';
import type { ColdTier } from './cold-tier.ts';
import type { Expected } from './expected-rows.ts';
import type { RecordFinding } from './findings.ts';
import type { LedgerTable } from './ledger-table.ts';
import type { Letters } from './letters.ts';
import { isIn, type ReadStretch } from './read-stretch.ts';
import type { StoredPlace, StoredRows, TimeBounds } from './stored-rows.ts';
import type { Stretch } from './stretches.ts';
import { NO_TALLY, type Tally } from './tally.ts';

export interface JudgeContext {
  readonly rows: StoredRows;
  readonly letters: Letters;
  /** The pipeline had made durable what is below when the check began. */
  readonly next: number;
  /** What somebody accepted as missing for the pipeline. */
  readonly gaps: OffsetRanges;
  readonly cold: ColdTier;
  readonly table: LedgerTable;
}

export interface JudgedRows {
  readonly tally: Tally;
  readonly findings: readonly RecordFinding[];
  /** Event times among which rows were looked for; empty (min > max) where no record can be a row. */
  readonly bounds: TimeBounds;
  /** Offsets of rows with other times that have been looked at. */
  readonly outside: readonly number[];
  /** Offsets whose letters were met. */
  readonly metLetters: readonly number[];
}

/** What DateTime64(3) can hold. */
const EARLIEST = Date.UTC(1900, 0, 1);
const LATEST = Date.UTC(2300, 0, 1) - 1;

/** Rows whose differing column is asked for; of the others it is only said that they differ. */
const MOST_EXPLAINED = 20;
/** Records without a row of their own that are looked for at once. */
const UNPLACED_AT_ONCE = 2_000;

/** @throws {Outage} ClickHouse cannot be asked: the stretch can be judged again */
export async function judgeRows(
  stretch: Stretch,
  { judged, unsound }: Pick<ReadStretch, 'judged' | 'unsound'>,
  context: JudgeContext,
): Promise<JudgedRows> {
  const bounds = boundsOf(judged);
  const stored = await context.rows.digests(stretch.source, stretch, bounds);
  const judging = new RowJudge(stretch.source, bounds, context);
  for (const expected of judged) await judging.judge(expected, stored.at(expected.offset));
  await judging.finish();
  for (const offset of stored.unmet()) if (!isIn(unsound, offset)) judging.find('row_unarchived', offset);
  return judging.result();
}

/** Of all records that can be rows and whose times are not absurd. */
function boundsOf(judged: readonly Expected[]): TimeBounds {
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { row, fault, eventTime } of judged) {
    if (row === null || fault !== null) continue;
    if (eventTime < min) min = eventTime;
    if (eventTime > max) max = eventTime;
  }
  return { min: Math.max(min, EARLIEST), max: Math.min(max, LATEST) };
}

interface Unplaced extends Expected {
  readonly row: Buffer;
}

interface Lost extends Unplaced {
  /** Where ClickHouse has a copy that was recorded later. */
  readonly place: StoredPlace | null;
}

class RowJudge {
  readonly #source: PartitionRef;
  readonly #bounds: TimeBounds;
  readonly #context: JudgeContext;
  readonly #tally: Tally = { ...NO_TALLY };
  readonly #findings: RecordFinding[] = [];
  readonly #outside: number[] = [];
  readonly #metLetters: number[] = [];
  #unplaced: Unplaced[] = [];
  #explained = 0;

  constructor(source: PartitionRef, bounds: TimeBounds, context: JudgeContext) {
    this.#source = source;
    this.#bounds = bounds;
    this.#context = context;
  }

  find(code: VerifyCode, offset: number, detail = ''): void {
    this.#findings.push({ code, source: this.#source, offset, detail });
  }

  /** @param found digests of the rows at the record's offset */
  async judge(expected: Expected, found: readonly Buffer[]): Promise<void> {
    const { offset, row, fault } = expected;
    const isCold = this.#context.cold.meet(this.#source, offset);
    const letter = this.#context.letters.kindOf(this.#source, offset);
    if (letter !== 'none') this.#metLetters.push(offset);
    if (found.length > 0) {
      if (row === null) return this.find('row_of_bad_record', offset, fault?.reason ?? '');
      const digest = hash('sha256', row, 'buffer');
      if (found.every((one) => one.equals(digest))) this.#tally.rows += 1;
      else await this.#differs(expected, row);
      return;
    }
    if (isCold && row === null) {
      return this.find('row_of_bad_record', offset, `in the cold tier; ${fault?.reason}`);
    }
    if (isCold && this.#mayLeave && this.#isAmongTimes(expected)) {
      this.#tally.cold += 1;
      return;
    }
    if (letter !== 'none') {
      this.#tally.letters += 1;
      // Where there is a copy of an earlier record the letter is one too many, but nothing is lost.
      if (fault === null && letter === 'letter') this.find('letter_of_good_record', offset);
      return;
    }
    if (offset >= this.#context.next || isIn(this.#context.gaps, offset)) {
      this.#tally.pending += 1;
      return;
    }
    if (row === null) return this.#withoutLetter(expected);
    this.#unplaced.push({ ...expected, row });
    if (this.#unplaced.length >= UNPLACED_AT_ONCE) await this.finish();
  }

  /** Looks for those that had no row of their own. */
  async finish(): Promise<void> {
    const unplaced = this.#unplaced;
    this.#unplaced = [];
    const identities = unplaced.map(({ row }) => this.#context.rows.identityOf(row));
    const { rows } = this.#context;
    const { min, max } = this.#bounds;
    const near = await rows.byIdentity(identities, min > max ? null : this.#bounds);
    // Copies mostly name the time of the original: only those that do not are looked for on all days.
    const rest = unplaced.flatMap((one, index) => (explains(near[index], this.#source, one) ? [] : [index]));
    const far = await rows.byIdentity(
      rest.map((index) => identities[index] ?? []),
      null,
    );
    const places = [...near];
    for (const [index, place] of far.entries()) places[rest[index] as number] = place;
    const lost: Lost[] = [];
    for (const [index, one] of unplaced.entries()) {
      const place = places[index] ?? null;
      if (!(await this.#judgeUnplaced(one, place))) lost.push({ ...one, place });
    }
    await this.#judgeLost(lost);
  }

  result(): JudgedRows {
    return {
      tally: this.#tally,
      findings: this.#findings,
      bounds: this.#bounds,
      outside: this.#outside,
      metLetters: this.#metLetters,
    };
  }

  /** @returns false where ClickHouse does not tell what became of it */
  async #judgeUnplaced(one: Unplaced, place: StoredPlace | null): Promise<boolean> {
    const { offset, row } = one;
    if (place !== null && isAt(place, this.#source, offset)) {
      this.#outside.push(offset);
      const column = await this.#context.rows.differingColumn(this.#source, offset, row);
      if (column === null) this.#tally.rows += 1;
      else this.find('row_differs', offset, `in column ${column}`);
      return true;
    }
    if (!explains(place, this.#source, one)) return false;
    this.#tally.copies += 1;
    return true;
  }

  /** Those that ClickHouse knows nothing of: their rows, or those of the first copies, may have left it. */
  async #judgeLost(lost: readonly Lost[]): Promise<void> {
    if (lost.length === 0) return;
    const { cold, table } = this.#context;
    let left = await this.#notInColdTier(lost);
    if (left.some(({ fault }) => fault === null) && (await cold.refresh(table.table)))
      left = await this.#notInColdTier(left);
    for (const one of left) {
      if (one.fault !== null) this.#withoutLetter(one);
      else if (this.#mayLeave && cold.mayHideRowsOf(table.table, ownerOf(this.#identityOf(one))))
        this.#tally.hidden += 1;
      else this.find('row_missing', one.offset, this.#whyMissing(one));
    }
  }

  async #notInColdTier(some: readonly Lost[]): Promise<readonly Lost[]> {
    const { cold, table } = this.#context;
    if (!this.#mayLeave || table.identity === null) return some;
    const isThere = (one: Lost) => cold.meet(this.#source, one.offset);
    this.#tally.cold += some.filter(isThere).length;
    const rest = some.filter((one) => !isThere(one));
    const identities = rest.map((one) => this.#identityOf(one));
    const places = await cold.firstOf(table.table, table.identity.columns, identities);
    const isCopy = (one: Lost, index: number) => explains(placeOf(places[index]), this.#source, one);
    this.#tally.copies += rest.filter(isCopy).length;
    return rest.filter((one, index) => !isCopy(one, index));
  }

  #whyMissing({ offset, place, eventTime }: Lost): string {
    if (place !== null) return 'a copy that was recorded later is stored in its place';
    const { cold, table } = this.#context;
    if (offset >= cold.nextOf(table.table, this.#source)) return '';
    const { through } = cold.events;
    const isOfExportedDay =
      table.table !== 'events' ||
      (through !== null && new Date(eventTime).toISOString().slice(0, 10) <= through);
    return isOfExportedDay && this.#mayLeave
      ? 'it should have been exported, and no file of the cold tier has it'
      : '';
  }

  /** Definitions stay in ClickHouse, whatever is in the cold tier. */
  get #mayLeave(): boolean {
    return this.#context.table.table !== 'campaigns';
  }

  #identityOf({ row }: Unplaced): readonly string[] {
    return this.#context.rows.identityOf(row);
  }

  /** Rows at other times than these were not looked for. */
  #isAmongTimes({ fault, eventTime }: Expected): boolean {
    const { min, max } = this.#bounds;
    return fault === null && eventTime >= min && eventTime <= max;
  }

  #withoutLetter({ offset, recordedAt, fault }: Expected): void {
    if (this.#context.letters.mayHaveExpired(recordedAt)) this.#tally.expiredLetters += 1;
    else this.find('letter_missing', offset, `${fault?.code}, ${fault?.reason}`);
  }

  async #differs({ offset }: Expected, row: Buffer): Promise<void> {
    this.#explained += 1;
    const column =
      this.#explained > MOST_EXPLAINED
        ? null
        : await this.#context.rows.differingColumn(this.#source, offset, row);
    this.find('row_differs', offset, column === null ? '' : `in column ${column}`);
  }
}

function ownerOf([tenant = '', user = '']: readonly string[]): Owner {
  return [tenant, user];
}

function placeOf(place: ColdPlace | null | undefined): StoredPlace | null {
  if (place == null) return null;
  const [topicId = '', partition] = place.source.split('/');
  return { ...place, topicId, partition: Number(partition) };
}

function isAt(place: StoredPlace, { topicId, partition }: PartitionRef, offset: number): boolean {
  return place.topicId === topicId && place.partition === partition && place.offset === offset;
}

/** True when the row at the place is of a record that was recorded before. */
function explains(
  place: StoredPlace | null | undefined,
  { topicId, partition }: PartitionRef,
  { offset, recordedAt }: Expected,
): boolean {
  if (place == null) return false;
  const order =
    place.recordedAt - recordedAt ||
    (place.topicId < topicId ? -1 : place.topicId > topicId ? 1 : 0) ||
    place.partition - partition ||
    place.offset - offset;
  return order < 0;
}
