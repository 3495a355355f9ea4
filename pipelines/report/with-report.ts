/** A report that is made for a command: with what it reads from, and a way out where something cannot be read. */
import type { Priority } from '../archive/tiers/rehydrate.ts';
import type { CommandContext } from '../command-context.ts';
import { OfflineBlob } from '../common/blob/offline.ts';
import { Outage } from '../common/errors.ts';
import type { UserKey } from './read-clickhouse.ts';
import type { ReportContext, UserReportRequest, UserReportResult } from './user-report.ts';

export interface SourceOptions {
  readonly rehydrate?: Priority;
  readonly localOnly?: boolean;
}

/** Makes a report, and has it until `use` has ended. */
export async function withReport<T>(
  { config, clock }: CommandContext,
  request: UserReportRequest,
  { rehydrate, localOnly = false }: SourceOptions,
  use: (made: UserReportResult) => Promise<T>,
): Promise<T> {
  const [{ openReportContext }, { makeUserReport }] = await Promise.all([
    import('./report-context.ts'),
    import('./user-report.ts'),
  ]);
  const { context, close } = openReportContext(config, { clock, isLocalOnly: localOnly });
  try {
    const made = await makeUserReport(context, request).catch(async (error: unknown) => {
      await bringBack(error, context, { user: request, priority: rehydrate, now: clock.now() });
      throw withWayOut(error);
    });
    using _document = made.document;
    return await use(made);
  } finally {
    await close();
  }
}

interface BringBack {
  readonly user: UserKey;
  readonly priority: Priority | undefined;
  /** Milliseconds. */
  readonly now: number;
}

/** What cannot be read now, all at once: the first that was met is seldom the only one. */
async function bringBack(
  error: unknown,
  context: ReportContext,
  { user, priority, now }: BringBack,
): Promise<void> {
  if (!(error instanceof OfflineBlob) || context.blob === null) return;
  if (priority === undefined) {
    process.stderr.write('campaign-ledger: with --rehydrate all that this report needs is brought back\n');
    return;
  }
  const [{ rehydrateReport }, { rehydrationText }] = await Promise.all([
    import('./rehydrate-report.ts'),
    import('../archive/tiers/tiers-text.ts'),
  ]);
  const rehydration = await rehydrateReport(context, context.blob, { user, priority });
  process.stderr.write(rehydrationText(rehydration, { priority, now }));
}

/** Without Blob there is no telling what a report would lack. */
function withWayOut(error: unknown): unknown {
  if (!(error instanceof Outage) || error.service !== 'blob') return error;
  const message = error.message.replace(/^blob: /, '');
  return new Outage(
    'blob',
    `${message}; nothing was reported, as rows may be there alone (--local-only asks ClickHouse alone)`,
    { cause: error },
  );
}
