/** The command `campaign-ledger` as a child process: commands to judge by what they print, pipelines to kill. */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { request } from 'undici';
import { launch, signalChild } from '../../deploy/local/supervisor/launch.ts';
import { eventually } from './runner-harness.ts';

const MAIN = join(import.meta.dirname, '../../pipelines/main.ts');

/** A process that is frozen does not answer at all: a test that asks it anyway should say so, not hang. */
const ANSWER_TIMEOUT_MS = 20_000;

export interface Answer {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | undefined;
}

/** Runs a command to its end. */
export async function ledgerCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const { stdout, stderr, exitCode } = await execa(process.execPath, [MAIN, ...args], { reject: false, env });
  return { stdout, stderr, exitCode };
}

export interface ChildLogLine {
  readonly level: string;
  readonly msg: string;
  readonly [key: string]: unknown;
}

export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One sample of /metrics. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** `campaign-ledger run …`, or another command that goes on until it is told to end. It does not outlive the test's own process. */
export class PipelineChild {
  readonly pid: number;
  readonly ended: Promise<End>;
  readonly #logFile: string;
  #end: End | null = null;

  private constructor(pid: number, ended: Promise<End>, logFile: string) {
    this.pid = pid;
    this.#logFile = logFile;
    this.ended = ended.then((end) => {
      this.#end = end;
      return end;
    });
  }

  static start(
    args: readonly string[],
    {
      logFile,
      env = {},
      command: name = 'run',
    }: { logFile: string; env?: Readonly<Record<string, string>>; command?: string },
  ): PipelineChild {
    const logDescriptor = openSync(logFile, 'a');
    const command = {
      file: process.execPath,
      args: [MAIN, name, ...args],
      env: { CAMPAIGN_LEDGER_LOG_FORMAT: 'json', ...env },
      endsWithStdin: false,
    };
    const child = launch(command, { logDescriptor });
    closeSync(logDescriptor);
    const ended = new Promise<End>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    if (child.pid === undefined) throw new Error(`cannot start ${process.execPath}`);
    return new PipelineChild(child.pid, ended, logFile);
  }

  /** Null while it runs. */
  get end(): End | null {
    return this.#end;
  }

  /** Everything that it has printed until now. */
  get text(): string {
    return readFileSync(this.#logFile, 'utf8');
  }

  /** What to read first when it did not do what was expected. */
  get tail(): string {
    const lines = this.text.split('\n').filter((line) => !line.includes('"level":"info"'));
    return [`process ${this.pid}: ${JSON.stringify(this.#end) ?? 'runs'}`, ...lines.slice(-15)]
      .map((line) => line.slice(0, 600))
      .join('\n');
  }

  get log(): readonly ChildLogLine[] {
    return this.text.split('\n').flatMap((line) => {
      try {
        return line.startsWith('{') ? [JSON.parse(line) as ChildLogLine] : [];
      } catch {
        // Killed in the middle of a line, or read there.
        return [];
      }
    });
  }

  logged(...words: readonly string[]): boolean {
    return this.text.split('\n').some((line) => words.every((word) => line.includes(word)));
  }

  /** Fails as soon as the process is gone: what is waited for can then no longer come. */
  async until(what: string, holds: () => boolean | Promise<boolean>, withinMs = 90_000): Promise<void> {
    await eventually(
      async () => {
        if (await holds()) return true;
        if (this.#end !== null) throw new Error(`${what}: it has ended before`);
        return false;
      },
      { what, withinMs, everyMs: 50 },
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.tail}`, { cause: error });
    });
  }

  async url(): Promise<string> {
    const found = () => this.log.find(({ msg }) => msg === 'metrics and health are served')?.url;
    await this.until('the health server', () => found() !== undefined);
    return String(found());
  }

  async get(path: string): Promise<{ status: number; body: string }> {
    const { statusCode, body } = await request((await this.url()) + path, {
      reset: true,
      headersTimeout: ANSWER_TIMEOUT_MS,
    });
    return { status: statusCode, body: await body.text() };
  }

  async metrics(): Promise<readonly Sample[]> {
    const { body } = await this.get('/metrics');
    return body.split('\n').flatMap((line) => {
      const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (match === null) return [];
      const [, name = '', text = '', value] = match;
      const labels = [...text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', one = '']) => [
        key,
        one,
      ]);
      return [{ name, labels: Object.fromEntries(labels) as Record<string, string>, value: Number(value) }];
    });
  }

  /** The sum over all samples of the name that have these labels. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const samples = (await this.metrics()).filter(
      (sample) =>
        sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    );
    return samples.reduce((sum, { value }) => sum + value, 0);
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#end === null) signalChild(this.pid, signal);
  }

  async kill(): Promise<End> {
    this.signal('SIGKILL');
    return this.ended;
  }

  /** Asks it to end and waits until it has. */
  async stop(): Promise<End> {
    this.signal('SIGTERM');
    return this.ended;
  }
}
