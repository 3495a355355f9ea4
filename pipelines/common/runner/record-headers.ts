/** Puts right what the client makes of a header that is named `__proto__`. */
import type { MessageHeader } from '@confluentinc/kafka-javascript';
import type { KafkaRecord } from '../batch.ts';

/**
 * The client sets a property of that name, and so the prototype of the header's object: whoever walks over its names
 * meets all methods of a Buffer, and some of them throw. Anybody who may produce could stop every pipeline with it.
 */
export function mendHeaders(records: readonly KafkaRecord[]): void {
  for (const { headers } of records) {
    if (headers === undefined) continue;
    for (let index = 0; index < headers.length; index += 1) {
      const value: unknown = Object.getPrototypeOf(headers[index]);
      if (value !== Object.prototype)
        headers[index] = Object.fromEntries([['__proto__', value]]) as MessageHeader;
    }
  }
}
