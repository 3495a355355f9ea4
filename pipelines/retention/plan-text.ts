/** A plan, and what a run did, for people. */
import type { Config } from '../../config/schema.ts';
import type { Look } from './look.ts';
import { isLetGo, localHorizon, type PlannedDay } from './plan.ts';
import { reasonsOf, setBackText } from './reasons.ts';
import type { RetentionResult } from './run.ts';

const whole = new Intl.NumberFormat('en-US');
const decimal = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 });
const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];

export function sizeText(bytes: number): string {
  const power = Math.min(UNITS.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return `${decimal.format(bytes / 1024 ** power)} ${UNITS[power]}`;
}

type Settings = Pick<Config, 'retention'>;

/** One line for each day that should go, then what it comes to. */
export function planText({ plan, sources, now, manifest }: Look, { retention }: Settings): string {
  const lines = plan.days.map((day) => {
    const reasons = reasonsOf(day, sources).map(({ text }) => text);
    const what = `${whole.format(day.rows)} rows, ${sizeText(day.bytes)}`;
    return reasons.length === 0
      ? `${day.day}: goes (${whyText(day, retention)}), ${what}`
      : `${day.day}: kept, ${reasons.join('; ')} (${what})`;
  });
  if (lines.length === 0) lines.push('nothing is due to go');
  const horizon = localHorizon(manifest.events, retention.tracking.ttlDays, now);
  lines.push(
    `everything is in ClickHouse ${horizon === null ? 'so far' : `from ${new Date(horizon).toISOString().slice(0, 10)} on`}`,
    spaceText(plan.bytes, plan.maxBytes),
  );
  const behind = setBackText(sources);
  if (behind !== null) lines.push(`warning: ${behind}. Nothing goes until it has as much`);
  const warning = capWarning(plan);
  return `${[...lines, ...(warning === null ? [] : [`warning: ${warning}`])].join('\n')}\n`;
}

function whyText({ cause }: PlannedDay, { tracking }: Settings['retention']): string {
  return cause === 'time' ? `older than ${tracking.ttlDays} days` : 'for want of space';
}

function spaceText(bytes: number, maxBytes: number | null): string {
  const limit = maxBytes === null ? 'no limit is set' : `of ${sizeText(maxBytes)}`;
  return `${sizeText(bytes)} in all tables, ${limit}`;
}

/** Null while the limit holds, or will when the plan is done. */
export function capWarning({ overBytes, maxBytes, days }: Look['plan']): string | null {
  if (overBytes === 0 || maxBytes === null) return null;
  const kept = days.filter((day) => !isLetGo(day));
  const why =
    kept.length > 0
      ? `${kept.length} ${kept.length === 1 ? 'day' : 'days'} may not go yet`
      : 'what is left is younger than a day, or does not go by space: messages, profiles, campaigns';
  return `the limit of ${sizeText(maxBytes)} cannot be met, by ${sizeText(overBytes)}: ${why}. Nothing is dropped for it`;
}

export function resultText(result: RetentionResult, { retention }: Settings): string {
  const { look, held, exported, rowsGone, messagesGone, filesRemoved, bytes } = result;
  const kept = look.plan.days.flatMap((day) =>
    reasonsOf(day, look.sources).map(({ text }) => `${day.day}: kept, ${text}`),
  );
  const horizon = localHorizon(held.manifest.events, retention.tracking.ttlDays, look.now);
  const lines = [
    ...kept,
    `${whole.format(exported.rows)} rows exported in ${exported.files} files; ${whole.format(rowsGone)} rows and ${whole.format(messagesGone)} messages left ClickHouse; ${filesRemoved} files that were replaced are removed`,
    `everything is in ClickHouse ${horizon === null ? 'so far' : `from ${new Date(horizon).toISOString().slice(0, 10)} on`}`,
    spaceText(bytes, look.plan.maxBytes),
  ];
  const warning = capWarning(look.plan);
  return `${[...lines, ...(warning === null ? [] : [`warning: ${warning}`])].join('\n')}\n`;
}
