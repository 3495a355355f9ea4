/** What a scheduled check says of itself: scraped from /metrics, or read from a file by node exporter. */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { Gauge, Registry } from 'prom-client';
import { VERIFY_CODES, type VerifyCode } from './codes.ts';
import { totalOf, type Verdict } from './verdict.ts';

const LAST_CLEAN = 'ledger_verify_last_clean_timestamp_seconds';

export type VerifyMetrics = ReturnType<typeof createVerifyMetrics>;

export function createVerifyMetrics() {
  const registry = new Registry();
  const registers = [registry];
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  const discrepancies = new Gauge({
    name: 'ledger_verify_discrepancies',
    help: 'Discrepancies that the last check found.',
    labelNames: ['code'] as const,
    registers,
  });
  const lastRun = gauge(
    'ledger_verify_last_run_timestamp_seconds',
    'When the last check ended that came to an end.',
  );
  const lastClean = gauge(LAST_CLEAN, 'When the last check ended that found nothing; 0 when none ever did.');
  const duration = gauge('ledger_verify_duration_seconds', 'How long the last check took.');
  const records = gauge('ledger_verify_records', 'Archived records that the last check looked at.');
  const failures = gauge('ledger_verify_failed', '1 when the last check could not come to an end.');

  return {
    registry,
    /** From the file of an earlier process; kept as long as no check is clean. */
    rememberClean: (seconds: number) => lastClean.set(seconds),
    failed: () => failures.set(1),
    finished(verdict: Verdict): void {
      const finishedAt = Date.parse(verdict.finishedAt) / 1000;
      failures.set(0);
      for (const code of Object.keys(VERIFY_CODES) as VerifyCode[])
        discrepancies.set({ code }, verdict.counts.get(code) ?? 0);
      lastRun.set(finishedAt);
      if (totalOf(verdict) === 0) lastClean.set(finishedAt);
      duration.set(finishedAt - Date.parse(verdict.startedAt) / 1000);
      records.set(
        verdict.partitions.reduce(
          (sum, { deep, archive }) => sum + (deep?.records ?? archive?.records ?? 0),
          0,
        ),
      );
    },
  };
}

/** Seconds since the epoch of the last clean check that a metrics file tells of; 0 where it tells of none. */
export async function lastCleanIn(file: string): Promise<number> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const [, value] = new RegExp(`^${LAST_CLEAN} (\\S+)$`, 'm').exec(text) ?? [];
  return Number(value) || 0;
}

/** Whoever reads the file sees the one before or this one, whole. */
export async function writeMetricsFile(file: string, { registry }: VerifyMetrics): Promise<void> {
  const unfinished = `${file}.${process.pid}.part`;
  try {
    await writeFile(unfinished, await registry.metrics());
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw new Error(`--metrics-file: cannot write ${file}: ${(error as Error).message}`, { cause: error });
  }
}
