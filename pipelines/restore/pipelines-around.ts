/** The pipelines that write into the tables which are being filled: whether they run, and where they go on. */
import type { PipelineName } from '../../config/schema.ts';
import type { CommandContext } from '../command-context.ts';
import { Outage, UsageError } from '../common/errors.ts';
import { createAdmin } from '../common/kafka/admin.ts';
import { consumerGroup } from '../common/kafka/client-settings.ts';
import { readAgain, readOffsets } from '../common/runner/offsets.ts';
import { withPipeline } from '../offsets-command.ts';

const WRITERS: readonly PipelineName[] = ['tracking', 'profiles'];

/**
 * What runs meanwhile loses nothing, but goes on behind rows that are not there yet, until it next writes or is restarted.
 * @returns false when Kafka cannot be asked
 * @throws {UsageError} one runs, or Kafka cannot be asked, and it is not forced
 */
export async function assertNoneRun(
  { config }: CommandContext,
  { isForced, say }: { isForced: boolean; say: (line: string) => void },
): Promise<boolean> {
  const admin = createAdmin(config);
  try {
    for (const name of WRITERS) {
      const group = consumerGroup(config, name);
      if (!(await admin.hasMembers(group))) continue;
      const running = `${name} is running (the group ${group} has members)`;
      if (!isForced)
        throw new UsageError(
          `${running}: stop it first, and wait for the session of one that was killed to end; or say --force`,
        );
      say(`${running}: restart it when the restore has ended`);
    }
    return true;
  } catch (error) {
    if (!(error instanceof Outage)) throw error;
    if (!isForced)
      throw new UsageError(
        `whether pipelines are running cannot be known (${error.message}): say --force if none does`,
        { cause: error },
      );
    say(`${error.message}: restoring without it`);
    return false;
  } finally {
    admin.close();
  }
}

/** Commits of the pipelines' own do not count any more; those that others made by hand are set back. */
export async function readOnFromProgress(
  context: CommandContext,
  name: PipelineName,
  say: (line: string) => void,
): Promise<void> {
  await withPipeline(context, name, async (offsets) => {
    for (const { source, decision } of await readOffsets(offsets)) {
      if (decision.kind === 'start') continue;
      const where = `${source.topic}/${source.partition}`;
      if (decision.code === 'committed_ahead') {
        const next = await readAgain(offsets, source);
        say(`${name} reads ${where} again from offset ${next}`);
      } else say(`${name} will stop at ${where}: ${decision.reason}`);
    }
  });
}
