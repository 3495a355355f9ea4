/** The engine's configuration files: what a ClickHouse server of one small machine needs, and who may log in. */
import { createHash } from 'node:crypto';
import { readerRole } from './reader-role.ts';

export interface Account {
  readonly name: string;
  /** Empty: whoever reaches the port is let in. */
  readonly password: string;
  /** A reader sees these databases alone and changes nothing. Left out: the owner, who may do everything. */
  readonly onlyDatabases?: readonly string[];
}

export interface ServerConfig {
  /** Queries, inserts and merges together; an insert beyond it fails with MEMORY_LIMIT_EXCEEDED. */
  readonly maxMemoryBytes: number;
  readonly logLevel: string;
  readonly usersFile: string;
}

const MIB = 1024 * 1024;

/** With less than this the disk counts as full: inserts and merges are refused with NOT_ENOUGH_SPACE. */
export const KEPT_FREE_BYTES = 256 * MIB;

/**
 * Small pools and caches: the machine runs Kafka and the pipelines beside this. No `system.*_log` tables: they would
 * merge and fill the disk for nobody.
 */
export function serverConfigXml(config: ServerConfig): string {
  const cache = Math.floor(config.maxMemoryBytes / 16);
  return element('clickhouse', {
    logger: { console: 1, level: config.logLevel },
    user_directories: { users_xml: { path: config.usersFile } },
    display_name: 'campaign-ledger local',
    max_server_memory_usage: config.maxMemoryBytes,
    // In a container the cgroup's memory is Kafka's and the pipelines' too: their use would fail queries here.
    memory_worker_use_cgroup: false,
    mark_cache_size: cache,
    index_mark_cache_size: Math.floor(cache / 4),
    uncompressed_cache_size: 0,
    max_connections: 1024,
    keep_alive_timeout: 30,
    // Tables must answer the first request after `/ping` said yes.
    async_load_databases: false,
    async_load_system_database: false,
    // The engine (26.7) refuses what it has no room for, as long as it asks: a merge that is under way when the last byte goes
    // ends as an empty part, and its rows are gone.
    storage_configuration: { disks: { default: { keep_free_space_bytes: KEPT_FREE_BYTES } } },
    background_pool_size: 2,
    background_merges_mutations_concurrency_ratio: 2,
    background_common_pool_size: 2,
    background_move_pool_size: 1,
    background_fetches_pool_size: 1,
    background_schedule_pool_size: 16,
    background_buffer_flush_schedule_pool_size: 1,
    background_distributed_schedule_pool_size: 1,
    background_message_broker_schedule_pool_size: 4,
    // Counted against the pool above; the defaults are for a pool of 32 and the engine refuses to start with them.
    merge_tree: {
      number_of_free_entries_in_pool_to_execute_mutation: 1,
      number_of_free_entries_in_pool_to_lower_max_size_of_merge: 1,
      number_of_free_entries_in_pool_to_execute_optimize_entire_partition: 1,
      merge_max_block_size_bytes: 10 * MIB,
    },
  });
}

/** What `clickhouse local` runs as, by its own decree: this name, from 127.0.0.1, without a password. */
export const ENGINE_ACCOUNT = 'default';

/**
 * Accounts with their passwords as SHA-256, never in the clear. Where the owner has another name, the engine's own
 * account may have one session, which is the engine's: whoever else tries it meets USER_SESSION_LIMIT_EXCEEDED.
 */
export function usersXml(accounts: readonly Account[]): string {
  const { settings, fixed, quota } = readerRole([]);
  const values = mapValues(settings, ({ value }) => value);
  const bounds = mapValues(settings, ({ min, max }) => (min === undefined ? '' : { min, max: max ?? '' }));
  const constraints = { ...bounds, ...Object.fromEntries(fixed.map((name) => [name, { const: '' }])) };
  const users: Record<string, Node> = {};
  for (const account of accounts) users[account.name] = user(account);
  users[ENGINE_ACCOUNT] ??= {
    no_password: '',
    networks: { ip: '127.0.0.1' },
    profile: 'engine',
    quota: 'default',
    grants: { query: ['GRANT SYSTEM LISTEN, CREATE TEMPORARY TABLE ON *.*', 'GRANT READ ON FILE'] },
  };
  return element('clickhouse', {
    profiles: {
      // `clickhouse local` takes `1 + 1` for a query; a server answers SYNTAX_ERROR.
      default: { implicit_select: 0 },
      engine: { max_sessions_for_user: 1 },
      reader: { implicit_select: 0, ...values, constraints },
    },
    quotas: { default: '', reader: { interval: { duration: quota.seconds, ...quota.max } } },
    users,
  });
}

function user({ password, onlyDatabases }: Account): Node {
  const authentication =
    password === ''
      ? { no_password: '' }
      : { password_sha256_hex: createHash('sha256').update(password).digest('hex') };
  const anywhere = { networks: { ip: '::/0' } };
  if (onlyDatabases === undefined) {
    return { ...authentication, ...anywhere, profile: 'default', quota: 'default', access_management: 1 };
  }
  const { grants } = readerRole(onlyDatabases.map(identifier));
  return { ...authentication, ...anywhere, profile: 'reader', quota: 'reader', grants: { query: grants } };
}

function mapValues<From, To>(
  record: Readonly<Record<string, From>>,
  change: (value: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}

type Node = string | number | boolean | { readonly [name: string]: Node | readonly Node[] };

function element(name: string, content: Node | readonly Node[]): string {
  if (isList(content)) return content.map((item) => element(name, item)).join('');
  const inner =
    typeof content === 'object'
      ? Object.entries(content)
          .map(([key, value]) => element(key, value))
          .join('')
      : text(String(content));
  return `<${name}>${inner}</${name}>`;
}

function isList(content: Node | readonly Node[]): content is readonly Node[] {
  return Array.isArray(content);
}

function text(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function identifier(name: string): string {
  return `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;
}
