/** The mapping file: which letters are to be changed before they are sent back, and how. docs/dead-letters.md documents it. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { closest } from '../../../config/closest.ts';
import type { Config } from '../../../config/schema.ts';
import { DEAD_LETTER_CODES } from '../../common/dead-letters/codes.ts';
import { UsageError } from '../../common/errors.ts';
import type { Plain } from '../avro-value.ts';
import { sourceTopic } from '../letter-address.ts';

const plain: z.ZodType<Plain> = z.lazy(() =>
  z.union([z.null(), z.boolean(), z.number(), z.string(), z.array(plain), z.record(z.string(), plain)]),
);

const schemaId = z
  .int('must be a schema id, a whole number')
  .min(1, 'must be a schema id, at least 1')
  .max(0x7fff_ffff, 'must be a schema id, at most 2147483647');

/** A whole number, or one divided by a whole number: anything else would round an exact time. */
const factor = z
  .number('must be a number')
  .refine(
    (value) =>
      value > 0 && (Number.isSafeInteger(value) || Math.abs(1 / value - Math.round(1 / value)) < 1e-6),
    'must be a whole number such as 1000, or one divided by a whole number such as 0.001',
  );

const oneOrMore = (text: string) =>
  z
    .union([z.string(), z.array(z.string())], `must be ${text}, or a list of them`)
    .transform((value) => (typeof value === 'string' ? [value] : value));

const when = z
  .strictObject({
    topic: oneOrMore('a topic').optional(),
    code: oneOrMore('a code')
      .refine((codes) => codes.every((code) => Object.hasOwn(DEAD_LETTER_CODES, code)), {
        error: ({ input }) => `${String(input)} is no code of a dead letter`,
      })
      .optional(),
    schemaId: schemaId.optional(),
    fields: z.record(z.string(), plain, 'must be names of fields with their values').optional(),
  })
  .default({});

const then = z
  .strictObject({
    schemaId: schemaId.optional(),
    set: z.record(z.string(), plain, 'must be names of fields with their new values').optional(),
    multiply: z.record(z.string(), factor, 'must be names of fields with factors').optional(),
    replaceSymbol: z
      .record(
        z.string(),
        z.record(z.string(), z.string('must be a symbol'), 'must be old symbols with new ones'),
        'must be names of fields with old and new symbols',
      )
      .optional(),
  })
  .refine((value) => Object.keys(value).length > 0, 'must say what to change');

const mappingSchema = z.strictObject({
  rules: z
    .array(z.strictObject({ when, then }), 'must be a list of rules, each with when and then')
    .min(1, 'must have at least one rule'),
});

export type MappingRule = z.output<typeof mappingSchema>['rules'][number];

export interface MappingFile {
  readonly rules: readonly MappingRule[];
  /** Of the file's bytes, hex: the log of replays names by it what was done. */
  readonly sha256: string;
}

/** @throws {UsageError} with every fault on a line of its own, with its path; a topic that is none of ours */
export async function readMapping(file: string, config: Pick<Config, 'kafka'>): Promise<MappingFile> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`--mapping: ${file} cannot be read: ${error.code ?? error.message}`, {
      cause: error,
    });
  });
  const rules = parseMapping(bytes.toString('utf8'), file).map((rule) => withFullNames(rule, config));
  return { rules, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** @param file its name, for messages */
export function parseMapping(text: string, file: string): readonly MappingRule[] {
  const parsed = mappingSchema.safeParse(readYaml(text, file));
  if (parsed.success) return parsed.data.rules;
  const faults = parsed.error.issues.flatMap(faultsOf);
  const count = faults.length === 1 ? '1 fault' : `${faults.length} faults`;
  throw new UsageError(`${file} has ${count}:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
}

function readYaml(text: string, file: string): unknown {
  const document = parseDocument(text, { prettyErrors: true });
  try {
    const [fault] = document.errors;
    if (fault !== undefined) throw fault;
    return document.toJS() as unknown;
  } catch (error) {
    throw new UsageError(`${file}: ${(error as Error).message}`, { cause: error });
  }
}

const KEYS = [
  'rules',
  'when',
  'then',
  'topic',
  'code',
  'schemaId',
  'fields',
  'set',
  'multiply',
  'replaceSymbol',
];

function faultsOf(issue: z.core.$ZodIssue): string[] {
  const path = issue.path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('');
  const place = path.replace(/^\./, '') || 'the file';
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const meant = closest(key, KEYS);
      return `${place}: no such key ${key}${meant === null ? '' : `; did you mean ${meant}?`}`;
    });
  }
  const isMissing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined');
  return [`${place}: ${isMissing ? 'is missing' : issue.message}`];
}

function withFullNames(rule: MappingRule, config: Pick<Config, 'kafka'>): MappingRule {
  const { topic } = rule.when;
  if (topic === undefined) return rule;
  return { ...rule, when: { ...rule.when, topic: topic.map((name) => sourceTopic(config, name)) } };
}
