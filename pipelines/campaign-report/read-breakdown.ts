/** The figures of a campaign by what an attribute was in each recipient's profile at the send, and is today. */
import { FIGURE_COLUMNS, type Figures, figuresIn, type Row, ratesOf } from './figures.ts';
import { GROUP_KEYS, type Group, groupOf, OTHERS } from './group.ts';
import { quotedKey, quotedSql, unquotedKey } from './quoted-json.ts';
import {
  ask,
  type CampaignQuestion,
  type CampaignReader,
  messagesSql,
  parametersOf,
} from './read-campaign.ts';
import type { Breakdown, Counted, CountedGroup, Flow, Side } from './report.ts';

/** Values with the most recipients on either side, which are groups of their own on both; what is no value always is one. */
export const MOST_GROUPS = 50;
/** Attributes that an error names. */
const MOST_NAMES = 20;
/** Users in whose profiles these are looked for. */
const LOOKED_AT = 1_000;

export interface BreakdownQuestion extends CampaignQuestion {
  /** The keys of the attribute from the outside in. */
  readonly path: readonly string[];
  /** Milliseconds: what today is. */
  readonly now: number;
}

/** There are profiles, and in none of them is such an attribute. */
export interface UnknownAttribute {
  /** Some that there are on the top level; one that is called like the whole path first. */
  readonly topLevel: readonly string[];
}

/**
 * @returns what was asked for, or that no profile of a recipient has the attribute, neither then nor today
 * @throws {Outage}
 */
export async function readBreakdown(
  reader: CampaignReader,
  question: BreakdownQuestion,
  pathText: string,
): Promise<Breakdown | UnknownAttribute> {
  const largest = await readLargest(reader, question);
  const types = [...largest.groups.values()].map(({ type }) => type);
  if (types.includes('absent') && types.every((type) => type === null || type === 'absent'))
    return { topLevel: await readTopLevel(reader, question, pathText) };
  return readGroups(reader, question, largest);
}

interface Largest {
  /** Of both sides, by id: what is no value under its key, a value under the hash of its key. */
  readonly groups: ReadonlyMap<string, Group>;
  /** How many values there are on each side, beyond these as well. */
  readonly values: { readonly atSend: number; readonly today: number };
}

/** Null can only be met within a list: a profile has no nulls of its own. */
const SPECIAL = `['${GROUP_KEYS.noneYet}', '${GROUP_KEYS.deleted}', '${GROUP_KEYS.absent}', '${GROUP_KEYS.value}null']`;

/** Of a SHA-256 in hex. */
const HASH_LENGTH = 64;
/** A value may be a megabyte, and is compared and joined many times: its hash stands for it. */
const ID = `if(has(${SPECIAL}, key), key, hex(SHA256(key)))`;

/** Key by key: in a list a whole number is a place, from 0 as in a JSON pointer, and nothing else is one. */
const extractSql = (json: string, keys: string) => `arrayFold(
    (value, key, place) -> multiIf(NOT startsWith(value, '['), JSONExtractRaw(value, key), place = 0, '', JSONExtractRaw(value, place)),
    {${keys}:Array(String)}, {places:Array(UInt32)}, ${json})`;

/**
 * The value as quoted JSON; an empty text where there is none. To quote a whole profile takes ten times as long as to read
 * it. So where it is read as it is, and what was found has no fraction, exponent or escape that might have been
 * written in another way, that alone is quoted; which is the very same text.
 */
const VALUE = `multiIf(
    position(attributes, {firstKey:String}) = 0, '',
    plain != '' AND NOT match(plain, '\\\\\\\\|[0-9][.eE]'), ${quotedSql('plain')},
    ${extractSql(quotedSql('attributes'), 'quotedKeys')})`;

/** Places from 1, as ClickHouse counts; 0: the key is none. */
function pathParameters(path: readonly string[]) {
  return {
    firstKey: `${JSON.stringify(path[0])}:`,
    keys: path,
    quotedKeys: path.map(quotedKey),
    places: path.map((key) => (/^(?:0|[1-9]\d{0,8})$/.test(key) ? Number(key) + 1 : 0)),
  };
}

/**
 * Versions of the profiles of all who may be recipients: the table is sorted by user, and others are not read. To know who is one,
 * messages would have to be made of the events once more.
 */
const versionsSql = (columns: string): string => `SELECT ${columns}
    FROM {database:Identifier}.profile_versions FINAL
    WHERE tenant_id = {tenantId:String} AND user_id IN
    (
      SELECT user_id FROM {database:Identifier}.message_events
      WHERE tenant_id = {tenantId:String} AND campaign_id = {campaignId:String}
    )
    SETTINGS optimize_move_to_prewhere_if_final = 1`;

/**
 * Each message with its group at the send and today, `then` and `today`. A user's versions are one sorted list, of which
 * the last that began at or before an instant is valid there: as the ASOF join of `messages_with_profile`, whose answer
 * for two that begin together would be up to its algorithm (FINAL leaves one), and each profile is looked into once.
 */
function joinedSql(question: BreakdownQuestion, group: 'key' | typeof ID): string {
  return `
    SELECT m.*, arrayLast(version -> version.1 <= m.sent_at, p.versions).2 AS then, p.today AS today
    FROM (SELECT * ${messagesSql(question)}) AS m
    LEFT JOIN
    (
      SELECT user_id, arraySort(version -> version.1, groupArray((valid_from, group_key))) AS versions,
        arrayLast(version -> toUnixTimestamp64Milli(version.1) <= {now:Int64}, versions).2 AS today
      FROM
      (
        SELECT user_id, valid_from, ${group} AS group_key
        FROM
        (
          SELECT user_id, valid_from,
            multiIf(deleted, '${GROUP_KEYS.deleted}', value = '', '${GROUP_KEYS.absent}', concat('${GROUP_KEYS.value}', value)) AS key
          FROM (${versionsSql(`user_id, valid_from, deleted, ${extractSql('attributes', 'keys')} AS plain, ${VALUE} AS value`)})
        )
      )
      GROUP BY user_id
    ) AS p ON m.user_id = p.user_id`;
}

function breakdownParameters(question: BreakdownQuestion): Record<string, unknown> {
  return { ...parametersOf(question), ...pathParameters(question.path), now: question.now };
}

async function readLargest(reader: CampaignReader, question: BreakdownQuestion): Promise<Largest> {
  const rows = await ask(
    reader,
    `SELECT side, key, ${ID} AS id, count() OVER (PARTITION BY side, is_special) AS groups, has(${SPECIAL}, key) AS is_special
     FROM
     (
       SELECT placed.1 AS side, placed.2 AS key, count() AS recipients
       FROM
       (
         SELECT user_id,
           arrayJoin(arrayPushBack(arrayMap(key -> ('at_send', key), groupUniqArray(then)), ('today', any(today)))) AS placed
         FROM (${joinedSql(question, 'key')})
         GROUP BY user_id
       )
       GROUP BY placed
     )
     ORDER BY side, is_special DESC, recipients DESC, key
     LIMIT {most:UInt32} BY side, is_special
     SETTINGS join_use_nulls = 0, short_circuit_function_evaluation = 'force_enable'`,
    { ...breakdownParameters(question), most: MOST_GROUPS },
  );
  const valuesOf = (side: string): number =>
    Number(rows.find((row) => row.side === side && Number(row.is_special) === 0)?.groups ?? 0);
  return {
    groups: new Map(rows.map((row) => [String(row.id), groupOf(String(row.key))])),
    values: { atSend: valuesOf('at_send'), today: valuesOf('today') },
  };
}

const BOTH_SETS = 0;
const AT_SEND_SET = 1;
const TODAY_SET = 2;
const WHOLE_SET = 3;

async function readGroups(
  reader: CampaignReader,
  question: BreakdownQuestion,
  { groups, values }: Largest,
): Promise<Breakdown> {
  const rows = await ask(
    reader,
    `SELECT toUInt8(grouping(then_id, today_id)) AS grouping_set, then_id, today_id,
       uniqExactIf(m.user_id, m.then != m.today) AS changed, ${FIGURE_COLUMNS}
     FROM
     (
       SELECT *,
         if(has({ids:Array(String)}, then), then, '${GROUP_KEYS.others}') AS then_id,
         if(has({ids:Array(String)}, today), today, '${GROUP_KEYS.others}') AS today_id
       FROM (${joinedSql(question, ID)})
     ) AS m
     GROUP BY GROUPING SETS ((), (then_id), (today_id), (then_id, today_id))
     SETTINGS join_use_nulls = 0, short_circuit_function_evaluation = 'force_enable'`,
    {
      ...breakdownParameters(question),
      ids: [...groups.keys()],
    },
  );
  const inSet = (set: number): Row[] => rows.filter((row) => Number(row.grouping_set) === set);
  return {
    at_send: sideOf(inSet(AT_SEND_SET), 'then_id', { groups, values: values.atSend }),
    today: sideOf(inSet(TODAY_SET), 'today_id', { groups, values: values.today }),
    flow: inSet(BOTH_SETS)
      .map((row) => flowOf(row, groups))
      .sort(byRecipients),
    changed_recipients: Number(inSet(WHOLE_SET)[0]?.changed ?? 0),
  };
}

function counted(figures: Figures): Counted {
  return { figures, rates: ratesOf(figures) };
}

function sideOf(
  rows: readonly Row[],
  column: 'then_id' | 'today_id',
  { groups, values }: Pick<Largest, 'groups'> & { readonly values: number },
): Side {
  const other = rows.find((row) => row[column] === GROUP_KEYS.others);
  const shown = rows.filter((row) => row !== other);
  // Ids of values are hashes, what is no value goes by its key, which is shorter.
  const others = values - shown.filter((row) => String(row[column]).length === HASH_LENGTH).length;
  return {
    groups: shown
      .map((row): CountedGroup => ({ ...groupWith(row[column], groups), ...counted(figuresIn(row)) }))
      .sort((a, b) => b.figures.recipients - a.figures.recipients || compareGroups(a, b)),
    others: other === undefined ? null : { groups: others, ...counted(figuresIn(other)) },
  };
}

function groupWith(id: Row[string] | undefined, groups: Largest['groups']): Group {
  return groups.get(String(id)) ?? OTHERS;
}

function flowOf(row: Row, groups: Largest['groups']): Flow {
  const { recipients, messages } = figuresIn(row);
  return {
    at_send: groupWith(row.then_id, groups),
    today: groupWith(row.today_id, groups),
    recipients,
    messages,
  };
}

function byRecipients(a: Flow, b: Flow): number {
  return (
    b.recipients - a.recipients || compareGroups(a.at_send, b.at_send) || compareGroups(a.today, b.today)
  );
}

/** Any order will do, as long as it is always the same. */
function compareGroups(a: Group, b: Group): number {
  const [first, second] = [a, b].map(({ status, type, value }) => JSON.stringify([status, type, value]));
  return (first ?? '') < (second ?? '') ? -1 : first === second ? 0 : 1;
}

async function readTopLevel(
  reader: CampaignReader,
  question: BreakdownQuestion,
  pathText: string,
): Promise<string[]> {
  const rows = await ask(
    reader,
    `SELECT arrayJoin(JSONExtractKeys(${quotedSql('attributes')})) AS name, count() AS profiles
     FROM (${versionsSql('user_id, attributes, valid_from')})
     WHERE user_id IN (SELECT DISTINCT user_id ${messagesSql(question)} LIMIT {lookedAt:UInt32})
     GROUP BY name ORDER BY name = {whole:String} DESC, profiles DESC, name LIMIT {most:UInt32}`,
    {
      ...parametersOf(question),
      lookedAt: LOOKED_AT,
      whole: quotedKey(pathText),
      most: MOST_NAMES,
    },
  );
  return rows.map((row) => unquotedKey(String(row.name)));
}
