/** Confluent's wire format: one zero byte, the schema id as four bytes big endian, then the Avro payload. */

/** Bytes in front of the payload. */
export const FRAME_BYTES = 5;

/** Registries count ids from 1 in a signed 32-bit integer; what is outside was never given to anyone. */
const MAX_SCHEMA_ID = 0x7fff_ffff;

/**
 * ```
 * 0      1                5
 * ┌──────┬────────────────┬─────────────
 * │ 0x00 │ schema id (BE) │ Avro payload
 * └──────┴────────────────┴─────────────
 * ```
 * @returns the schema id, 0 to 4294967295, or null when the value is not framed
 */
export function schemaIdOf(value: Uint8Array | null | undefined): number | null {
  return value == null ? null : schemaIdAt(value, 0, value.length);
}

/** As `schemaIdOf` for a value that is part of a buffer. @param length -1 for null */
export function schemaIdAt(bytes: Uint8Array, at: number, length: number): number | null {
  if (length < FRAME_BYTES || bytes[at] !== 0) return null;
  return (
    (((bytes[at + 1] as number) << 24) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 8) |
      (bytes[at + 4] as number)) >>>
    0
  );
}

/** False for ids that no registry can have given out: it need not be asked. */
export function isPossibleSchemaId(id: number): boolean {
  return id > 0 && id <= MAX_SCHEMA_ID;
}

/** The frame in front of a payload written under this schema. */
export function frameOf(schemaId: number): Buffer {
  const frame = Buffer.alloc(FRAME_BYTES);
  frame.writeUInt32BE(schemaId, 1);
  return frame;
}
