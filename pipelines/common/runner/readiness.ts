/** What keeps a pipeline from being ready: no share of the partitions yet, services that are away, stopped partitions. */
import type { Outage } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import { describePartition, type Partition } from './partition.ts';

export interface ReadinessOptions {
  readonly pipeline: string;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** `classic` speaks to every member; `consumer` not to one for which there is no partition. */
  readonly groupProtocol: string;
  /** See `Timing`. */
  readonly unheardMs: number;
}

export class Readiness {
  readonly #options: ReadinessOptions;
  /** What each service that is away says, by its name. */
  readonly #outages = new Map<string, string>();
  /** The group has given us our share, be it none: there may be more members than partitions. */
  #hasShare = false;
  /** Monotonic milliseconds. */
  #joinsSince = Number.POSITIVE_INFINITY;

  constructor(options: ReadinessOptions) {
    this.#options = options;
  }

  /** It asks the group for a share: at the start, and when the group has taken it for dead. */
  joins(): void {
    this.#hasShare = false;
    this.#joinsSince = performance.now();
  }

  hasShare(): void {
    this.#hasShare = true;
  }

  /** Kafka has answered. */
  reached(): void {
    const { groupProtocol, unheardMs } = this.#options;
    const isUnheard = performance.now() - this.#joinsSince >= unheardMs;
    if (isUnheard && groupProtocol === 'consumer') this.#hasShare = true;
    this.recovered('kafka');
  }

  away({ service, message }: Outage): void {
    this.#outages.set(service, message);
    this.#options.metrics.outage.set({ pipeline: this.#options.pipeline, service }, 1);
  }

  /** An attempt has failed and is repeated. */
  attemptFailed(outage: Outage): void {
    this.away(outage);
    this.#options.metrics.retries.inc({ pipeline: this.#options.pipeline, service: outage.service });
  }

  /** Kafka's answers speak for Kafka alone; a write that succeeds needed all services. */
  recovered(only?: string): void {
    const { pipeline, metrics, logger } = this.#options;
    for (const service of only === undefined ? [...this.#outages.keys()] : [only]) {
      if (!this.#outages.delete(service)) continue;
      metrics.outage.set({ pipeline, service }, 0);
      logger.info({ service }, 'the outage is over');
    }
  }

  /** @param partitions null before there is a connection @returns for people; empty when it is ready */
  reasons(partitions: readonly Partition[] | null): readonly string[] {
    const all = partitions ?? [];
    const stopped = all.filter(({ stop }) => stop !== null);
    // A stopped one that is looked at again is still a stopped one.
    const resolving = all.filter(({ phase, stop }) => phase === 'resolving' && stop === null);
    return [
      ...(partitions === null ? ['not connected to Kafka yet'] : []),
      ...(partitions !== null && !this.#hasShare ? ['the group has assigned no partitions yet'] : []),
      ...this.#outages.values(),
      ...resolving.map((partition) => `${describePartition(partition)} waits for where to begin`),
      ...stopped.map((partition) => `${describePartition(partition)} stopped: ${partition.stop?.code}`),
    ];
  }
}
