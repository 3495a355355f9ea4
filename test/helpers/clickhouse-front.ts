/** A ClickHouse front of a test's own, as a child process on a temporary directory. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { request } from 'undici';

const MAIN = join(import.meta.dirname, '../../deploy/local/clickhouse/main.ts');

export class ClickHouseFront {
  readonly url: string;
  readonly process: ChildProcess;
  readonly #log: { text: string };

  private constructor(url: string, child: ChildProcess, log: { text: string }) {
    this.url = url;
    this.process = child;
    this.#log = log;
  }

  /** @throws Error with all that the process wrote on standard error, when it ends instead of listening */
  static async start(dataDir: string, args: readonly string[] = []): Promise<ClickHouseFront> {
    const log = { text: '' };
    const child = spawn(process.execPath, [MAIN, '--data', dataDir, '--exit-with-stdin', ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log.text += text;
    });
    for await (const line of createInterface({ input: child.stdout })) {
      const { listening } = JSON.parse(line) as { listening: string };
      return new ClickHouseFront(listening, child, log);
    }
    if (child.exitCode === null) await once(child, 'close');
    throw new Error(`exit ${child.exitCode}: ${log.text}`);
  }

  /** What the process wrote on standard error until now. */
  get log(): string {
    return this.#log.text;
  }

  get pid(): number {
    const { pid } = this.process;
    if (pid === undefined) throw new Error('the front has no process');
    return pid;
  }

  /**
   * Runs SQL and gives the answer's text; settings and parameters as URL keys. On a connection of its own: the front
   * gives those that are open some seconds when it ends.
   */
  async query(sql: string, keys: Record<string, string> = {}): Promise<string> {
    const { statusCode, body } = await request(this.to(keys), { method: 'POST', body: sql, reset: true });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(text);
    return text;
  }

  to(keys: Record<string, string> = {}): string {
    return `${this.url}/?${new URLSearchParams(keys)}`;
  }

  client(options: Parameters<typeof createClient>[0] = {}): ClickHouseClient {
    return createClient({ url: this.url, log: { level: ClickHouseLogLevel.OFF }, ...options });
  }

  /** Peak resident memory so far, in MiB. */
  async peakMemoryMb(): Promise<number> {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
  }

  /** Ends the process and gives its exit code; null when a signal ended it. */
  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const closed = once(this.process, 'close');
      this.process.kill(signal);
      await closed;
    }
    return this.process.exitCode;
  }
}

export async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'clickhouse-front-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
