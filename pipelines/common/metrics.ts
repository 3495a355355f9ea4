/** Every metric, by name: what Prometheus reads from a running process. docs/operations.md says what each one means. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export type Metrics = ReturnType<typeof createMetrics>;

const PARTITION = ['pipeline', 'topic', 'partition'] as const;
const TOPIC = ['pipeline', 'topic'] as const;

/** A registry of its own for each process (or test), with Node's own figures beside ours. */
export function createMetrics({ withProcessMetrics = false }: { withProcessMetrics?: boolean } = {}) {
  const registry = new Registry();
  if (withProcessMetrics) collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const counter = <const Label extends string>(name: string, help: string, labelNames: readonly Label[]) =>
    new Counter({ name, help, labelNames, registers });
  const gauge = <const Label extends string>(name: string, help: string, labelNames: readonly Label[]) =>
    new Gauge({ name, help, labelNames, registers });

  return {
    registry,
    records: counter('ledger_records_total', 'Records made durable.', PARTITION),
    batches: counter('ledger_batches_total', 'Batches made durable.', PARTITION),
    bytes: counter('ledger_bytes_total', 'Bytes of keys, values and headers made durable.', PARTITION),
    lag: gauge(
      'ledger_lag_offsets',
      'Offsets between the end of the partition and what is durable.',
      PARTITION,
    ),
    flushSeconds: new Histogram({
      name: 'ledger_flush_seconds',
      help: 'Seconds from the start of a write to its acknowledgement.',
      labelNames: ['pipeline'] as const,
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120],
      registers,
    }),
    retries: counter('ledger_retries_total', 'Attempts that ended in an outage and were repeated.', [
      'pipeline',
      'service',
    ]),
    deadLetters: counter('ledger_dead_letters_total', 'Records refused and written to a dead-letter topic.', [
      'pipeline',
      'topic',
      'code',
    ]),
    newestEventTime: gauge(
      'ledger_newest_event_timestamp_seconds',
      'Latest event time made durable, in seconds since the epoch.',
      TOPIC,
    ),
    archivedTo: gauge('ledger_archived_to_offset', 'The next offset that the archive needs.', [
      'topic',
      'partition',
    ]),
    unknownSymbols: counter(
      'ledger_unknown_symbols_total',
      'Symbols of a newer producer, stored as they are: a type or channel that this release does not know.',
      ['pipeline', 'topic', 'field', 'symbol'],
    ),
    foreignKeys: counter(
      'ledger_foreign_keys_total',
      'Records stored whose Kafka key is not that of their user or campaign: one partition no longer holds them in order.',
      TOPIC,
    ),
    assignedPartitions: gauge('ledger_assigned_partitions', 'Partitions that this process reads.', TOPIC),
    stoppedPartitions: gauge(
      'ledger_stopped_partition',
      '1 for a partition that stopped with an alarm and waits for a person; the code says which.',
      ['pipeline', 'topic', 'partition', 'code'],
    ),
    bufferedBytes: gauge('ledger_buffered_bytes', 'Bytes read and not yet durable.', ['pipeline']),
    pausedPartitions: gauge(
      'ledger_paused_partitions',
      'Partitions not read at the moment, to bound memory.',
      ['pipeline'],
    ),
    committedBehind: counter(
      'ledger_committed_behind_total',
      'Times that the committed offset was behind what is durable and was moved up.',
      PARTITION,
    ),
    retentionSecondsLeft: gauge(
      'ledger_retention_seconds_left',
      'Seconds until Kafka drops the next record that this pipeline has not made durable.',
      PARTITION,
    ),
    retentionWarning: gauge(
      'ledger_retention_warning',
      '1 when less than half of the time before Kafka drops unread records is left.',
      PARTITION,
    ),
    outage: gauge('ledger_outage', '1 while a service is away and the pipeline waits for it.', [
      'pipeline',
      'service',
    ]),
  };
}
