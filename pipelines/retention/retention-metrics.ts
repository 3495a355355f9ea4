/** What retention says of itself on /metrics. docs/operations.md says what each one means. */
import { Counter, Gauge, type Registry } from 'prom-client';
import { localHorizon } from './plan.ts';
import { REASONS, type ReasonCode, reasonsOf } from './reasons.ts';
import type { RetentionResult } from './run.ts';

export type RetentionMetrics = ReturnType<typeof createRetentionMetrics>;

export function createRetentionMetrics(registry: Registry, ttlDays: number | null) {
  const registers = [registry];
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  const horizon = gauge(
    'ledger_local_horizon_timestamp_seconds',
    'From when on everything is in ClickHouse, in seconds since the epoch; 0 while nothing has left it.',
  );
  const bytes = gauge('ledger_clickhouse_bytes', 'Bytes of all tables on the disk of ClickHouse.');
  const maxBytes = gauge('ledger_clickhouse_max_bytes', 'The limit of ledger_clickhouse_bytes; 0 for none.');
  const overBytes = gauge(
    'ledger_clickhouse_over_bytes',
    'Bytes by which the limit cannot be met: what is left may not go.',
  );
  const kept = new Gauge({
    name: 'ledger_kept_days',
    help: 'Days that should have left ClickHouse and may not, by reason.',
    labelNames: ['reason'] as const,
    registers,
  });
  const exported = counter('ledger_cold_rows_total', 'Rows of events written to the cold tier.');
  const gone = counter('ledger_rows_let_go_total', 'Rows of events that have left ClickHouse.');
  const lastRun = gauge(
    'ledger_retention_last_run_timestamp_seconds',
    'When retention last came to its end, in seconds since the epoch.',
  );
  const failed = gauge(
    'ledger_retention_failed',
    '1 when the last run of retention did not come to its end.',
  );

  return {
    failed: () => failed.set(1),
    finished({ look, held, exported: { rows }, rowsGone, bytes: now }: RetentionResult): void {
      const { plan, sources } = look;
      horizon.set((localHorizon(held.manifest.events, ttlDays, look.now) ?? 0) / 1000);
      bytes.set(now);
      maxBytes.set(plan.maxBytes ?? 0);
      overBytes.set(plan.overBytes);
      const days = new Map<ReasonCode, number>();
      for (const day of plan.days) {
        for (const code of new Set(reasonsOf(day, sources).map((reason) => reason.code)))
          days.set(code, (days.get(code) ?? 0) + 1);
      }
      for (const reason of Object.keys(REASONS) as ReasonCode[]) kept.set({ reason }, days.get(reason) ?? 0);
      exported.inc(rows);
      gone.inc(rowsGone);
      lastRun.set(look.now / 1000);
      failed.set(0);
    },
  };
}
