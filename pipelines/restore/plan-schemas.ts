/** The writer schemas of a topic, from the segments that hold them. */
import { retryOutage } from '../common/retry.ts';
import { HeaderSchemas } from './header-schemas.ts';
import type { TopicPlan } from './plan.ts';
import { openSegment, UnreadableSegment } from './read-batch.ts';
import type { RestoreContext } from './request.ts';

/**
 * What could not be decoded names schemas that its own segment does not have.
 * @param onUnreadable a schema's segment cannot be read: it goes on without; null where that ends the restore
 */
export function schemasOf(
  { place, config, logger, signal }: RestoreContext,
  { schemas }: TopicPlan,
  onUnreadable: ((error: UnreadableSegment) => void) | null,
): HeaderSchemas {
  return new HeaderSchemas({
    find: async (id) => {
      const segment = schemas.get(id);
      if (segment === undefined) return null;
      try {
        const { header } = await retryOutage(() => openSegment(place, segment), {
          retry: config.retry,
          logger,
          signal,
          what: 'reading a schema',
        });
        return header;
      } catch (error) {
        if (!(error instanceof UnreadableSegment) || onUnreadable === null) throw error;
        onUnreadable(error);
        return 'lost';
      }
    },
  });
}
