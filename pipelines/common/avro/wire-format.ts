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
  if (value == null || value.length < FRAME_BYTES || value[0] !== 0) return null;
  return (
    (((value[1] as number) << 24) |
      ((value[2] as number) << 16) |
      ((value[3] as number) << 8) |
      (value[4] as number)) >>>
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
