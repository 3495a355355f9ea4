/** What JSON has no word for, without loss: longs with all their 64 bits, and bytes. */
import avsc from 'avsc';

/** Values are bigint: avsc's own longs are doubles, and throw beyond 2^53. */
const EXACT_LONG = avsc.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: (value: number | string) => BigInt(value),
  toJSON: longToJson,
  isValid: (value: unknown) => typeof value === 'bigint' && BigInt.asIntN(64, value) === value,
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
});

/**
 * For `avsc.Type.forSchema`, which keeps the names that it has seen in them: they serve one schema only. A long with
 * a logical type is no name that avsc would look up, hence the hook.
 */
export function losslessOptions({ wrapUnions }: { wrapUnions: boolean }): Partial<avsc.ForSchemaOptions> {
  return {
    wrapUnions,
    typeHook: (schema) => {
      const isLong = schema === 'long' || (schema as { type?: unknown } | null)?.type === 'long';
      return isLong ? EXACT_LONG : undefined;
    },
  };
}

/** A number, or text beyond 2^53: JSON's readers would round it. */
export function longToJson(value: bigint): number | string {
  const isSafe = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);
  return isSafe ? Number(value) : String(value);
}

/** Text where the bytes are text, else `{"base64": …}`. */
export function bytesToJson(bytes: Buffer): string | { base64: string } {
  const text = bytes.toString('utf8');
  return Buffer.from(text).equals(bytes) ? text : { base64: bytes.toString('base64') };
}
