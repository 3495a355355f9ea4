/** What `serve` says of itself on /metrics. docs/operations.md says what each one means. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export type ServeMetrics = ReturnType<typeof createServeMetrics>;

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

export function createServeMetrics(registry: Registry) {
  const registers = [registry];
  return {
    requests: new Counter({
      name: 'ledger_http_requests_total',
      help: 'Requests that were answered, by route and status.',
      labelNames: ['route', 'status'] as const,
      registers,
    }),
    requestSeconds: new Histogram({
      name: 'ledger_http_request_seconds',
      help: 'Seconds from a request to the last byte of its answer.',
      labelNames: ['route'] as const,
      buckets: SECONDS,
      registers,
    }),
    reports: new Counter({
      name: 'ledger_reports_total',
      help: 'Reports that were made or failed: at once or as jobs, by outcome (ok, or the code of the problem).',
      labelNames: ['how', 'outcome'] as const,
      registers,
    }),
    reportSeconds: new Histogram({
      name: 'ledger_report_seconds',
      help: 'Seconds that a report took.',
      labelNames: ['how'] as const,
      buckets: SECONDS,
      registers,
    }),
    running: new Gauge({
      name: 'ledger_reports_running',
      help: 'Reports that this process makes at the moment.',
      labelNames: ['how'] as const,
      registers,
    }),
    jobs: new Gauge({
      name: 'ledger_report_jobs',
      help: 'Jobs of all processes that wait or are under way, as of the last look.',
      labelNames: ['state'] as const,
      registers,
    }),
    outages: new Counter({
      name: 'ledger_report_outages_total',
      help: 'Attempts that ended because a service was away.',
      labelNames: ['service'] as const,
      registers,
    }),
  };
}
