/** What is wrong with one record. Steps return it instead of throwing: bad data is no exception. */
import type { DeadLetterCodeName } from './codes.ts';

export interface Fault {
  readonly code: DeadLetterCodeName;
  /** One sentence about this very record, with the field and the byte where they are known. */
  readonly reason: string;
}
