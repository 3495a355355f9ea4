/** Starts the local stack: real parts on this machine, each asked a real question before it counts as ready. */
import { resolve } from 'node:path';
import { createLogger, type Logger } from '../../../pipelines/common/logger.ts';
import type { KafkaProperties } from '../kafka/server-properties.ts';
import { signalChild } from '../supervisor/launch.ts';
import { Part } from '../supervisor/part.ts';
import { identityOf, isRunning, type ProcessIdentity } from '../supervisor/process-identity.ts';
import { makeDataDir } from './data-dir.ts';
import { addressesOf, portOf, specOf } from './part-specs.ts';
import { isPortFree, takePort } from './ports.ts';
import { configFileOf, type StackAddresses, stackConfigText } from './stack-config.ts';
import { lockStack, type StackOwner } from './stack-lock.ts';
import {
  PART_NAMES,
  type PartName,
  type PortName,
  readState,
  type StackState,
  writePrivately,
  writeState,
} from './stack-state.ts';

export interface StackOptions {
  /** Everything the stack keeps is in here; made when missing. */
  readonly dataDir: string;
  /** All of them when left out. */
  readonly parts?: readonly PartName[];
  /** Says nothing when left out. */
  readonly logger?: Logger;
  /** Added to the broker's server.properties. */
  readonly kafkaProperties?: KafkaProperties;
  /** Whether a part that ends by itself is started again; true when left out. */
  readonly restarts?: boolean;
  /** Called as each part becomes ready, with the milliseconds it took. */
  readonly onReady?: (part: PartName, tookMs: number) => void;
  readonly role?: StackOwner['role'];
}

export interface RunningStack {
  readonly dataDir: string;
  readonly addresses: StackAddresses;
  /** A configuration that every command accepts. */
  readonly configFile: string;
  /** Of the parts that have a process now. */
  readonly pids: Readonly<Partial<Record<PartName, number>>>;
  /** For tests of faults. @throws when the stack was started without it */
  part(name: PartName): Part;
  /** Ends all parts and gives the directory back. */
  stop(): Promise<void>;
}

/** How often a part may be given another port because somebody took its own in the last moment. */
const PORT_ATTEMPTS = 3;

/**
 * @throws {UsageError} when the directory cannot be made or written to
 * @throws {StackIsRunning} when the directory has a running stack
 * @throws {Error} when a part does not start; the others are stopped then
 */
export async function startStack(options: StackOptions): Promise<RunningStack> {
  const dataDir = resolve(options.dataDir);
  makeDataDir(dataDir);
  const unlock = lockStack(dataDir, options.role ?? 'embedded');
  const stack = new Stack(dataDir, options);
  try {
    await stack.start();
  } catch (error) {
    await stack.stop();
    unlock();
    throw error;
  }
  return {
    dataDir,
    configFile: stack.configFile,
    get addresses() {
      return stack.addresses;
    },
    get pids() {
      return stack.pids;
    },
    part: (name) => stack.part(name),
    stop: async () => {
      await stack.stop();
      unlock();
    },
  };
}

/** After a crash of the supervisor parts may be left over where the system has no way to end them with it. */
export function endLeftOvers({ processes }: StackState): void {
  for (const identity of Object.values(processes)) {
    if (isRunning(identity)) signalChild(identity.pid, 'SIGKILL');
  }
}

class Stack {
  readonly #dataDir: string;
  readonly #options: StackOptions;
  readonly #logger: Logger;
  readonly #parts = new Map<PartName, Part>();
  readonly #taken = new Set<number>();
  #state: StackState;

  constructor(dataDir: string, options: StackOptions) {
    this.#dataDir = dataDir;
    this.#options = options;
    this.#logger = options.logger ?? createLogger({ level: 'silent', format: 'json' });
    this.#state = { ...readState(dataDir), parts: options.parts ?? PART_NAMES };
    endLeftOvers(this.#state);
  }

  get configFile(): string {
    return configFileOf(this.#dataDir);
  }

  get addresses(): StackAddresses {
    return addressesOf(this.#state);
  }

  get pids(): Partial<Record<PartName, number>> {
    const pids: Partial<Record<PartName, number>> = {};
    for (const [name, { pid }] of this.#parts) if (pid !== null) pids[name] = pid;
    return pids;
  }

  part(name: PartName): Part {
    const part = this.#parts.get(name);
    if (part === undefined) throw new Error(`the stack was started without ${name}`);
    return part;
  }

  async start(): Promise<void> {
    for (const name of [...PART_NAMES, 'kafkaController'] as const) await this.#takePort(name);
    const results = await Promise.allSettled(this.#state.parts.map((name) => this.#startPart(name)));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    writePrivately(this.configFile, stackConfigText(this.addresses));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#parts.values()].map((part) => part.stop()));
    this.#save();
  }

  async #startPart(name: PartName): Promise<void> {
    const { restarts = true, onReady } = this.#options;
    const begun = performance.now();
    for (let attempt = 1; ; attempt += 1) {
      const spec = specOf(name, {
        dataDir: this.#dataDir,
        state: this.#state,
        kafkaProperties: this.#options.kafkaProperties ?? {},
      });
      const part = new Part(spec, { logger: this.#logger, restarts, onLaunch: () => this.#save() });
      this.#parts.set(name, part);
      try {
        await part.start();
        break;
      } catch (error) {
        const port = portOf(this.#state, name);
        if (attempt === PORT_ATTEMPTS || (await isPortFree(port))) throw error;
        this.#logger.warn({ part: name, port }, 'the port was taken by another program');
        await this.#takePort(name);
      }
    }
    onReady?.(name, performance.now() - begun);
  }

  async #takePort(name: PortName): Promise<void> {
    const port = await takePort(this.#state.ports[name], this.#taken);
    this.#state = { ...this.#state, ports: { ...this.#state.ports, [name]: port } };
    this.#save();
  }

  #save(): void {
    const processes: Partial<Record<PartName, ProcessIdentity>> = {};
    for (const [name, { pid }] of this.#parts) {
      const identity = pid === null ? null : identityOf(pid);
      if (identity !== null) processes[name] = identity;
    }
    this.#state = { ...this.#state, processes };
    writeState(this.#dataDir, this.#state);
  }
}
