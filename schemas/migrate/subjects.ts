/** Schema registry: one subject a topic, BACKWARD compatible or stricter, with our schema among its versions. */
import { readFileSync } from 'node:fs';
import type { Config } from '../../config/schema.ts';
import { type TopicRole, topicNames } from '../../config/topics.ts';
import type { RegistryAnswer, RegistryHttp } from '../../pipelines/common/registry/registry-http.ts';
import type { Change, Finding, Plan } from './plan.ts';

export const SCHEMA_FILES = {
  definitions: 'campaign-definition.avsc',
  delivery: 'delivery-event.avsc',
  feedback: 'feedback-event.avsc',
  profiles: 'profile-change.avsc',
} as const satisfies Record<TopicRole, string>;

const LEVEL = 'BACKWARD';
/** Whoever asked for more than BACKWARD keeps it. */
const SUFFICIENT: ReadonlySet<string> = new Set([LEVEL, 'BACKWARD_TRANSITIVE', 'FULL', 'FULL_TRANSITIVE']);

/** Codes of the registry's REST interface. */
const NOT_FOUND = 404;

export async function planSubjects(config: Config, registry: RegistryHttp): Promise<Plan> {
  const names = topicNames(config);
  const changes: Change[] = [];
  const faults: Finding[] = [];
  for (const role of Object.keys(SCHEMA_FILES) as TopicRole[]) {
    const subject = `${names[role]}-value`;
    const level = await levelOf(registry, subject);
    if (level === null || !SUFFICIENT.has(level)) changes.push(levelChange(registry, subject, level));
    const schema = readSchemaFile(SCHEMA_FILES[role]);
    if (await isRegistered(registry, subject, schema)) continue;
    const fault = await incompatibility(registry, subject, schema);
    if (fault === null) changes.push(registration(registry, { subject, schema, file: SCHEMA_FILES[role] }));
    else
      faults.push({
        part: 'schemaRegistry',
        text: `${SCHEMA_FILES[role]} cannot follow the latest schema of ${subject}: ${fault}`,
      });
  }
  return { changes, drift: [], faults };
}

/** Without white space, which registries keep as it comes; the doc of every field goes along. */
export function readSchemaFile(file: string): string {
  return JSON.stringify(JSON.parse(readFileSync(new URL(`../avro/${file}`, import.meta.url), 'utf8')));
}

/** Null when the subject has no level of its own. */
async function levelOf(registry: RegistryHttp, subject: string): Promise<string | null> {
  const answer = await registry.send('GET', `/config/${encodeURIComponent(subject)}`);
  if (answer.status === NOT_FOUND) return null;
  const level = field(expectOk(answer, `the compatibility of ${subject}`), 'compatibilityLevel');
  return typeof level === 'string' ? level : null;
}

function levelChange(registry: RegistryHttp, subject: string, level: string | null): Change {
  return {
    part: 'schemaRegistry',
    verb: 'set',
    target: `compatibility of ${subject} to ${LEVEL}${level === null ? '' : ` (was ${level})`}`,
    apply: async () => {
      const answer = await registry.send('PUT', `/config/${encodeURIComponent(subject)}`, {
        compatibility: LEVEL,
      });
      expectOk(answer, `setting the compatibility of ${subject}`);
    },
  };
}

async function isRegistered(registry: RegistryHttp, subject: string, schema: string): Promise<boolean> {
  const answer = await registry.send('POST', `/subjects/${encodeURIComponent(subject)}`, { schema });
  if (answer.status === NOT_FOUND) return false;
  expectOk(answer, `looking up the schema of ${subject}`);
  return true;
}

/** Null when the schema may be registered. */
async function incompatibility(
  registry: RegistryHttp,
  subject: string,
  schema: string,
): Promise<string | null> {
  const path = `/compatibility/subjects/${encodeURIComponent(subject)}/versions/latest?verbose=true`;
  const answer = await registry.send('POST', path, { schema });
  // The subject has no versions yet.
  if (answer.status === NOT_FOUND) return null;
  const body = expectOk(answer, `checking the schema of ${subject}`);
  if (field(body, 'is_compatible') === true) return null;
  const messages = field(body, 'messages');
  return Array.isArray(messages) && messages.length > 0 ? messages.join('; ') : 'it is not compatible';
}

interface Registration {
  readonly subject: string;
  readonly schema: string;
  readonly file: string;
}

function registration(registry: RegistryHttp, { subject, schema, file }: Registration): Change {
  return {
    part: 'schemaRegistry',
    verb: 'register',
    target: `${file} as ${subject}`,
    apply: async () => {
      const answer = await registry.send('POST', `/subjects/${encodeURIComponent(subject)}/versions`, {
        schema,
      });
      expectOk(answer, `registering the schema of ${subject}`);
    },
  };
}

function expectOk({ status, body }: RegistryAnswer, what: string): unknown {
  if (status === 200) return body;
  throw new Error(`schemaRegistry: ${what} was answered with ${status}: ${JSON.stringify(body)}`);
}

function field(body: unknown, name: string): unknown {
  return typeof body === 'object' && body !== null ? (body as Record<string, unknown>)[name] : undefined;
}
