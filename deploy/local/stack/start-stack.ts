/** Starts the local stack: real parts on this machine, each asked a real question before it counts as ready. */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createLogger, type Logger } from '../../../pipelines/common/logger.ts';
import { connectionString } from '../blob/azurite.ts';
import { blobPart } from '../blob/blob-part.ts';
import { kafkaPart } from '../kafka/kafka-part.ts';
import type { KafkaProperties } from '../kafka/server-properties.ts';
import { registryPart } from '../registry/registry-part.ts';
import { signalChild } from '../supervisor/launch.ts';
import { Part, type PartSpec } from '../supervisor/part.ts';
import { identityOf, isRunning } from '../supervisor/process-identity.ts';
import { clickHousePart } from './clickhouse-part.ts';
import { isPortFree, takePort } from './ports.ts';
import { BLOB_CONTAINER, type StackAddresses, stackConfigText } from './stack-config.ts';
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
 * @throws {StackIsRunning} when the directory has a running stack
 * @throws {Error} when a part does not start; the others are stopped then
 */
export async function startStack(options: StackOptions): Promise<RunningStack> {
  const dataDir = resolve(options.dataDir);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
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
  readonly #ports: Partial<Record<PortName, number>> = {};
  readonly #blobAccount: StackState['blobAccount'];

  constructor(dataDir: string, options: StackOptions) {
    this.#dataDir = dataDir;
    this.#options = options;
    this.#logger = options.logger ?? createLogger({ level: 'silent', format: 'json' });
    const state = readState(dataDir);
    endLeftOvers(state);
    this.#blobAccount = state.blobAccount;
    this.#ports = { ...state.ports };
  }

  get configFile(): string {
    return join(this.#dataDir, 'config.yaml');
  }

  get addresses(): StackAddresses {
    const host = '127.0.0.1';
    return {
      kafka: `${host}:${this.#port('kafka')}`,
      schemaRegistry: `http://${host}:${this.#port('registry')}`,
      clickhouse: `http://${host}:${this.#port('clickhouse')}`,
      blob: connectionString(`http://${host}:${this.#port('blob')}`, this.#blobAccount),
    };
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
    const names = this.#options.parts ?? PART_NAMES;
    for (const name of [...PART_NAMES, 'kafkaController'] as const) await this.#takePort(name);
    this.#save();
    const results = await Promise.allSettled(names.map((name) => this.#startPart(name)));
    this.#save();
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
      const part = new Part(this.#specOf(name), { logger: this.#logger, restarts });
      this.#parts.set(name, part);
      try {
        await part.start();
        break;
      } catch (error) {
        if (attempt === PORT_ATTEMPTS || (await isPortFree(this.#port(name)))) throw error;
        this.#logger.warn({ part: name, port: this.#port(name) }, 'the port was taken by another program');
        await this.#takePort(name);
      }
    }
    this.#save();
    onReady?.(name, performance.now() - begun);
  }

  #specOf(name: PartName): PartSpec {
    const place = {
      dataDir: join(this.#dataDir, name),
      logFile: join(this.#dataDir, 'logs', `${name}.log`),
      port: this.#port(name),
    };
    switch (name) {
      case 'kafka':
        return kafkaPart({
          ...place,
          controllerPort: this.#port('kafkaController'),
          properties: this.#options.kafkaProperties ?? {},
        });
      case 'clickhouse':
        return clickHousePart(place);
      case 'blob':
        return blobPart({ ...place, account: this.#blobAccount, container: BLOB_CONTAINER });
      case 'registry':
        return registryPart(place);
    }
  }

  #port(name: PortName): number {
    const port = this.#ports[name];
    if (port === undefined) throw new Error(`${name} has no port yet`);
    return port;
  }

  async #takePort(name: PortName): Promise<void> {
    this.#ports[name] = await takePort(this.#ports[name], this.#taken);
  }

  #save(): void {
    const processes: Record<string, NonNullable<ReturnType<typeof identityOf>>> = {};
    for (const [name, pid] of Object.entries(this.pids)) {
      const identity = identityOf(pid);
      if (identity !== null) processes[name] = identity;
    }
    writeState(this.#dataDir, { ports: this.#ports, blobAccount: this.#blobAccount, processes });
  }
}
