/** One run: a ledger of its own under load, faults one after another, and at the end an audit that shares no code with the pipelines. */

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { TopicRole } from '../../config/topics.ts';
import { Random } from '../../deploy/local/world/random.ts';
import { auditFindings, gatherEvidence, type Hole, type SeenRecords, witness } from '../helpers/audit.ts';
import type { Finding } from '../helpers/findings.ts';
import type { SeenRecord } from '../helpers/kafka-witness.ts';
import { SteadyLoad } from '../helpers/steady-load.ts';
import { ROLES, WholeLedger } from '../helpers/whole-ledger.ts';
import { type Arena, SESSION_TIMEOUT_MS } from './arena.ts';
import type { Bite, Fault, Mode } from './fault.ts';
import { Members } from './members.ts';
import { OverwriteWatch } from './overwrite-watch.ts';

const GROUPS: Readonly<Record<Mode, object>> = {
  eager: { groupProtocol: 'classic', assignmentStrategy: 'range', sessionTimeoutMs: SESSION_TIMEOUT_MS },
  cooperative: {
    groupProtocol: 'classic',
    assignmentStrategy: 'cooperative-sticky',
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
  },
  consumer: { groupProtocol: 'consumer' },
};

/** Streams of one seed: what is sent does not depend on what is broken. */
const STREAM = { load: 1, faults: 2 } as const;

export interface Plan {
  readonly run: number;
  readonly seed: number;
  readonly mode: Mode;
  readonly faults: readonly Fault[];
  /** Faults that strike several times strike less often. */
  readonly isShort?: boolean;
}

export interface Struck extends Bite {
  readonly fault: string;
  readonly ms: number;
}

export interface Outcome {
  readonly run: number;
  readonly seed: number;
  readonly mode: Mode;
  readonly faults: readonly Struck[];
  readonly records: number;
  /** Null when the audit was reached; else what was not as it should have been on the way there. */
  readonly failure: string | null;
  readonly findings: readonly Finding[];
  readonly ms: number;
}

export interface TrialOptions {
  readonly arena: Arena;
  readonly plan: Plan;
  readonly say: (line: string) => void;
  /** For every pipeline process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called when topics and tables are made. */
  readonly onPrepared?: (ledger: WholeLedger) => Promise<void>;
}

export class Trial {
  readonly arena: Arena;
  readonly ledger: WholeLedger;
  readonly load: SteadyLoad;
  readonly members: Members;
  readonly random: Random;
  readonly mode: Mode;
  readonly isShort: boolean;
  readonly holes: Hole[] = [];
  readonly overwrites: OverwriteWatch;
  /** Of topics that are no more. */
  #earlier: SeenRecords = { definitions: [], delivery: [], feedback: [], profiles: [] };

  private constructor(
    { arena, plan }: TrialOptions,
    parts: Pick<Trial, 'ledger' | 'load' | 'members' | 'overwrites'>,
  ) {
    this.arena = arena;
    this.mode = plan.mode;
    this.isShort = plan.isShort ?? false;
    this.random = new Random(plan.seed, STREAM.faults);
    this.ledger = parts.ledger;
    this.load = parts.load;
    this.members = parts.members;
    this.overwrites = parts.overwrites;
  }

  static async open(options: TrialOptions): Promise<Trial> {
    const { arena, plan, env = {}, onPrepared } = options;
    const ledger = await WholeLedger.create(arena.stack.configFile, {
      overrides: { kafka: GROUPS[plan.mode], shutdownTimeoutMs: 5_000 },
    });
    await onPrepared?.(ledger);
    const configFile = await ledger.configured('proxied', arena.proxied);
    const newer = await ledger.addWriter('delivery', await newerSchema());
    const load = new SteadyLoad(ledger.harness, plan.seed, { newer: { delivery: newer } });
    return new Trial(options, {
      ledger,
      load,
      members: new Members(ledger, { configFile, env }),
      overwrites: new OverwriteWatch(ledger.config, arena.proxies.blob),
    });
  }

  async strike(fault: Fault): Promise<Struck> {
    const begun = performance.now();
    const impossible = fault.impossible?.(this) ?? null;
    const bite =
      impossible === null ? await fault.strike(this) : { bit: false, how: 'not run', notRun: impossible };
    await this.overwrites.look();
    return { fault: fault.name, ...bite, ms: Math.round(performance.now() - begun) };
  }

  /** Remembers what a topic has, before it is deleted. */
  async remember(role: TopicRole): Promise<void> {
    const records = await this.ledger.records(role);
    this.#earlier = { ...this.#earlier, [role]: [...this.#earlier[role], ...records] };
  }

  /** Records of a topic that Kafka dropped before anybody had read them: no consumer can see them any more. */
  forget(role: TopicRole, topicId: string, losses: readonly Omit<Hole, 'topicId'>[]): void {
    this.holes.push(...losses.map((loss) => ({ topicId, ...loss })));
    const isLost = ({ topicId: id, partition, offset }: SeenRecord) =>
      id === topicId &&
      losses.some((loss) => loss.partition === partition && offset >= loss.first && offset <= loss.last);
    this.#earlier = { ...this.#earlier, [role]: this.#earlier[role].filter((record) => !isLost(record)) };
  }

  /** Nothing more is sent, and everything is carried to its end by processes in good health. */
  async settle(): Promise<void> {
    await this.load.stop();
    await this.members.one();
    await this.ledger.caughtUp();
    for (const child of this.members.running) {
      const end = await child.stop();
      // A process may have been told to kill itself as it ends, in the last fault.
      if (end.code !== 0 && !child.logged('fault point'))
        throw new Error(`a member did not end in good order: ${JSON.stringify(end)}\n${child.tail}`);
    }
  }

  async audit(): Promise<{ findings: readonly Finding[]; records: number }> {
    const now = await witness(this.ledger);
    // What was remembered and Kafka still has is the same record.
    const all = (role: TopicRole) => [
      ...new Map([...this.#earlier[role], ...now[role]].map((record) => [placeOf(record), record])).values(),
    ];
    const records = {
      definitions: all('definitions'),
      delivery: all('delivery'),
      feedback: all('feedback'),
      profiles: all('profiles'),
    };
    const evidence = await gatherEvidence(this.ledger, { records, holes: this.holes });
    await this.overwrites.look();
    return {
      findings: [...(await auditFindings(this.ledger, evidence)), ...this.overwrites.findings],
      records: ROLES.reduce((sum, role) => sum + records[role].length, 0),
    };
  }
}

const placeOf = ({ topicId, partition, offset }: SeenRecord) => `${topicId}/${partition}/${offset}`;

/** Never throws for what the pipelines did: that is what the outcome tells. */
export async function runTrial(options: TrialOptions): Promise<{ outcome: Outcome; trial: Trial }> {
  const { plan, say, arena } = options;
  const begun = performance.now();
  const trial = await Trial.open(options);
  const faults: Struck[] = [];
  let failure: string | null = null;
  let audited: { findings: readonly Finding[]; records: number } = { findings: [], records: 0 };
  let doing = 'before the first fault';
  try {
    trial.load.start();
    await trial.members.one();
    for (const fault of plan.faults) {
      doing = fault.name;
      const struck = await trial.strike(fault);
      faults.push(struck);
      say(`${fault.name}: ${struck.bit ? 'bit' : 'did not bite'} (${struck.how}), ${struck.ms} ms`);
    }
    doing = 'settling';
    await trial.settle();
    doing = 'the audit';
    audited = await trial.audit();
  } catch (error) {
    failure = `${doing}: ${String(error)}`.slice(0, 20_000);
  } finally {
    await trial.load.stop().catch(() => {});
    await trial.members.killAll();
    await arena.restore();
  }
  const { run, seed, mode } = plan;
  const ms = Math.round(performance.now() - begun);
  return { outcome: { run, seed, mode, faults, failure, ...audited, ms }, trial };
}

/** The schema of delivery events with one field more, as a newer producer has it. */
async function newerSchema(): Promise<object> {
  const file = fileURLToPath(new URL('../../schemas/avro/delivery-event.avsc', import.meta.url));
  const schema = JSON.parse(await readFile(file, 'utf8')) as { fields: object[] };
  const added = { name: 'campaign_wave', type: ['null', 'string'], default: null };
  return { ...schema, fields: [...schema.fields, added] };
}
