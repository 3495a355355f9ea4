/** What the gate of `events` has to say, from the two things that decide it: the manifest and the configuration. */
import type { Config } from '../../config/schema.ts';
import type { Manifest } from '../cold/manifest.ts';
import type { Gate } from './ttl-gate.ts';

/** @param now milliseconds: days that were held until then are days like others */
export function gateOf(
  { events: { through, next, evictedThrough, held } }: Manifest,
  { retention: { tracking } }: Pick<Config, 'retention'>,
  now: number,
): Gate {
  const isHeld = ([, until]: [string, number]) => until > now;
  return {
    exported: { through, next },
    ttlDays: tracking.ttlDays,
    evictedThrough,
    held: new Map(Object.entries(held).filter(isHeld)),
  };
}
