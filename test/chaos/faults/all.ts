/** Every fault there is, in the order of the table that comes of them. */
import type { Fault } from '../fault.ts';
import { ANSWERS } from './answers.ts';
import { AROUND } from './around.ts';
import { FREEZES } from './freezes.ts';
import { KILLS } from './kills.ts';
import { MEMBERSHIP } from './membership.ts';
import { OFFSETS } from './offsets.ts';
import { PART_KILLS } from './parts.ts';

export const FAULTS: readonly Fault[] = [
  ...KILLS,
  ...FREEZES,
  ...PART_KILLS,
  ...ANSWERS,
  ...MEMBERSHIP,
  ...OFFSETS,
  ...AROUND,
];
