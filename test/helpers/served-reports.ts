/** Reports over HTTP on a ledger of a test's own: two tenants, some users, and keys of every kind. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContainerClient } from '@azure/storage-blob';
import { request } from 'undici';
import { parse, stringify } from 'yaml';
import { loadConfig } from '../../config/load.ts';
import type { Config } from '../../config/schema.ts';
import { mergeTrees, type Tree } from '../../config/tree.ts';
import { createContainer } from '../../pipelines/common/blob/container.ts';
import { type Clock, systemClock } from '../../pipelines/common/clock.ts';
import { createLogger } from '../../pipelines/common/logger.ts';
import { newKey } from '../../pipelines/serve/auth/key-file.ts';
import { type RunningService, startService } from '../../pipelines/serve/start-service.ts';
import { LedgerDatabase } from './ledger-database.ts';
import type { Overrides } from './ledger-harness.ts';
import { PipelineChild } from './pipeline-child.ts';
import { eventually } from './runner-harness.ts';

/** Milliseconds. */
export const SENT_AT = Date.UTC(2026, 9, 1, 9);

const timeText = (time: number) => new Date(time).toISOString().slice(0, -1).replace('T', ' ');

/** Ids with everything in them that somebody might take for something else. */
export const ODD_IDS = [
  "o'neil",
  'a/b',
  '../../v1/reports',
  'ünï☀️',
  'a b+c%20',
  'nul\0byte',
  `"; DROP TABLE events; --`,
  'tab\tand\nline',
  '\\',
  'x'.repeat(1024),
];

export type KeyName = 'acme' | 'globex' | 'both' | 'reader' | 'creator' | 'expired';

const BOTH = ['reports:read', 'reports:create'];
const KEYS: Readonly<Record<KeyName, { tenants: string[]; scopes: string[]; expires?: string }>> = {
  acme: { tenants: ['acme'], scopes: BOTH },
  globex: { tenants: ['globex'], scopes: BOTH },
  both: { tenants: ['acme', 'globex'], scopes: BOTH },
  reader: { tenants: ['acme'], scopes: ['reports:read'] },
  creator: { tenants: ['acme'], scopes: ['reports:create'] },
  expired: { tenants: ['acme'], scopes: BOTH, expires: '2026-01-01' },
};

export interface AskOptions {
  readonly token?: string | undefined;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of the service; the helper's own when left out. */
  readonly at?: string;
}

export interface Told {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** Of JSON; undefined for anything else. */
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into by tests, which say what they expect.
  readonly json: any;
}

export interface ServedOptions {
  readonly overrides?: Overrides;
  readonly clock?: Clock;
  /** Of services in this process alone: the ways to what a test makes fail. */
  readonly through?: Overrides;
}

export class ServedReports implements AsyncDisposable {
  readonly ledger: LedgerDatabase;
  readonly folder: string;
  readonly keysFile: string;
  readonly tokens: Readonly<Record<KeyName, string>>;
  /** For commands, and for processes of their own. */
  readonly configFile: string;
  readonly container: ContainerClient;
  readonly prefix: string;
  readonly through: Overrides;
  /** What the service in this process has logged. */
  readonly log: string[] = [];
  readonly #running: RunningService[] = [];
  readonly #children: PipelineChild[] = [];
  #url = '';

  private constructor(
    ledger: LedgerDatabase,
    place: Pick<ServedReports, 'folder' | 'keysFile' | 'tokens' | 'configFile' | 'prefix' | 'through'>,
  ) {
    this.ledger = ledger;
    this.folder = place.folder;
    this.keysFile = place.keysFile;
    this.tokens = place.tokens;
    this.configFile = place.configFile;
    this.prefix = place.prefix;
    this.through = place.through;
    this.container = createContainer(ledger.config);
  }

  static async create(
    stackConfigFile: string,
    { overrides = {}, clock = systemClock, through = {} }: ServedOptions = {},
  ): Promise<ServedReports> {
    const ledger = await LedgerDatabase.create(stackConfigFile);
    const folder = await mkdtemp(join(tmpdir(), 'served-reports-'));
    const keysFile = join(folder, 'keys.yaml');
    const tokens: Partial<Record<KeyName, string>> = {};
    const keys = (Object.keys(KEYS) as KeyName[]).flatMap((id) => {
      const { token, entry } = newKey({ id, ...KEYS[id] });
      tokens[id] = token;
      return parse(entry) as object[];
    });
    await writeFile(keysFile, stringify({ keys }));
    const { database, bi: biDatabase } = ledger;
    const prefix = `served-${randomUUID().slice(0, 8)}/`;
    const own = {
      clickhouse: { database, biDatabase },
      blob: { prefix },
      retry: { initialMs: 50, maxMs: 300 },
      serve: {
        port: 0,
        auth: { keysFile },
        jobs: { pollMs: 200, leaseMs: 1_500 },
        rateLimit: { maxRequests: 100_000 },
      },
    };
    const configFile = join(folder, 'config.yaml');
    const stackConfig = parse(await readFile(stackConfigFile, 'utf8')) as Tree;
    await writeFile(configFile, stringify(mergeTrees(stackConfig, own, overrides as Tree)), { mode: 0o600 });
    const place = { folder, keysFile, tokens: tokens as Record<KeyName, string>, configFile, prefix };
    const served = new ServedReports(ledger, { ...place, through });
    await served.fill();
    served.#url = (await served.start(through, clock)).url;
    return served;
  }

  async config(overrides: Overrides = {}): Promise<Config> {
    return loadConfig({ file: this.configFile, overrides, env: {} });
  }

  /** One more service in this process. */
  async start(overrides: Overrides = {}, clock: Clock = systemClock): Promise<RunningService> {
    const config = await this.config(overrides);
    const write = (line: string) => this.log.push(line);
    const logger = createLogger({ level: 'info', format: 'json' }, { write });
    const running = await startService({ config, logger, clock });
    this.#running.push(running);
    return running;
  }

  /** A service in a process of its own, and where it is. */
  async startChild(env: Record<string, string> = {}): Promise<{ child: PipelineChild; url: string }> {
    const logFile = join(this.folder, `serve-${this.#children.length}.log`);
    const child = PipelineChild.start(['--config', this.configFile], { logFile, env, command: 'serve' });
    this.#children.push(child);
    const line = () => child.log.find(({ msg }) => msg === 'reports are served');
    await child.until('the service', () => line() !== undefined);
    return { child, url: String(line()?.url) };
  }

  async ask(method: string, path: string, options: AskOptions = {}): Promise<Told> {
    const { token, body, headers = {}, at = this.#url } = options;
    const {
      statusCode,
      headers: answered,
      body: content,
    } = await request(at + path, {
      method: method as 'GET',
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await content.text();
    const isJson =
      /json/.test(String(answered['content-type'])) && !/ndjson/.test(String(answered['content-type']));
    return { status: statusCode, headers: answered, text, json: isJson ? JSON.parse(text) : undefined };
  }

  /** Asks for a job, and waits until it has ended. */
  async job(body: object, token = this.tokens.acme): Promise<Told> {
    const asked = await this.ask('POST', '/v1/reports', { token, body });
    if (asked.status !== 202) throw new Error(asked.text);
    return this.ended(asked.json.id, token);
  }

  async ended(id: string, token = this.tokens.acme, at = this.#url): Promise<Told> {
    let told: Told | undefined;
    await eventually(
      async () => {
        told = await this.ask('GET', `/v1/reports/${id}`, { token, at });
        return told.status === 200 && !['queued', 'running'].includes(told.json.state);
      },
      { what: `the end of ${id}`, withinMs: 60_000, everyMs: 50 },
    );
    return told as Told;
  }

  /** Paths of blobs, without the prefix. */
  async blobs(folder = 'reports/'): Promise<string[]> {
    const found = await Array.fromAsync(this.container.listBlobsFlat({ prefix: this.prefix + folder }));
    return found.map(({ name }) => name.slice(this.prefix.length));
  }

  async fill(): Promise<void> {
    const users = ['ann', 'bob', ...ODD_IDS];
    const event = (tenant_id: string, user_id: string, index: number) => ({
      ...{ tenant_id, user_id, message_id: `m-${index}`, event_id: `d-${index}` },
      ...{ occurred_at: timeText(SENT_AT), recorded_at: timeText(SENT_AT), type: 'SENT', kind: 'delivery' },
      ...{ campaign_id: 'spring', channel: 'EMAIL', source: `${'a'.repeat(32)}/0`, offset: index },
    });
    await this.ledger.insert('events', [
      ...users.map((user, index) => event('acme', user, index)),
      event('globex', 'ann', 100),
      event('globex', 'zoe', 101),
    ]);
    await this.ledger.insert('profile_changes', [
      {
        ...{
          tenant_id: 'acme',
          user_id: 'ann',
          change_id: 'c1',
          op: 'SNAPSHOT',
          attributes: '{"plan":"pro"}',
        },
        ...{ changed_at: timeText(SENT_AT - 60_000), recorded_at: timeText(SENT_AT - 60_000) },
        ...{ source: `${'b'.repeat(32)}/0`, offset: 0 },
      },
    ]);
  }

  /** A user of the first tenant with so many events, four to a message. */
  async fillUser(userId: string, events: number): Promise<void> {
    await this.ledger.client.command({
      query: `INSERT INTO events (tenant_id, user_id, occurred_at, message_id, type, event_id, kind, campaign_id, channel, source, offset, recorded_at)
        SELECT 'acme', {userId:String}, fromUnixTimestamp64Milli(${SENT_AT} + intDiv(number, 4) * 100, 'UTC'), concat('big-', toString(intDiv(number, 4))),
          ['SENT', 'DELIVERED', 'OPENED', 'CLICKED'][number % 4 + 1], toString(number), if(number % 4 < 2, 'delivery', 'feedback'),
          'spring', 'EMAIL', '${'c'.repeat(32)}/0', number, fromUnixTimestamp64Milli(${SENT_AT}, 'UTC')
        FROM numbers(${events})`,
      query_params: { userId },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#running.map((one) => one.close()));
    await Promise.all(this.#children.map((child) => child.kill()));
    for await (const { name } of this.container.listBlobsFlat({ prefix: this.prefix }))
      await this.container.deleteBlob(name);
    await this.ledger[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}
