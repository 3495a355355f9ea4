/** The byte or the field that a refusal is about. */
import type { ReadPayload } from './payload-fields.ts';
import type { Refusal } from './refusal.ts';

export interface Pointer {
  /** Null where it is no field's. */
  readonly field: string | null;
  /** From the start of the value; the value's length when the fault is that it ends. */
  readonly byte: number;
}

/** Behind the zero byte. */
const SCHEMA_ID_BYTE = 1;

/** @returns null when there is no byte to point at */
export function pointAt(
  refusal: Refusal | null,
  { value, payload }: { value: Buffer | null; payload: ReadPayload | null },
): Pointer | null {
  if (refusal === null || value === null) return null;
  const { code, reason } = refusal;
  const fault = payload?.fault ?? null;
  if (code === 'invalid_utf8' && fault !== null)
    return { field: fault.field, byte: fault.byte + firstNoUtf8(value.subarray(fault.byte)) };
  const named = /^(?:field (?<field>\S+), )?byte (?<byte>\d+): /.exec(reason)?.groups;
  if (named !== undefined)
    return { field: named.field ?? null, byte: Math.min(Number(named.byte), value.length) };
  const name = /^field (\S+) /.exec(reason)?.[1];
  const field = payload?.fields.find((one) => one.name === name);
  if (field !== undefined) return { field: field.name, byte: field.from };
  if (code === 'not_framed') return { field: null, byte: 0 };
  if (code === 'unknown_schema_id' || code === 'schema_not_ours')
    return { field: null, byte: SCHEMA_ID_BYTE };
  return fault === null ? null : { field: fault.field, byte: fault.byte };
}

/** Decoding replaces what is no UTF-8: up to there the bytes stay the same. */
function firstNoUtf8(text: Buffer): number {
  const decoded = Buffer.from(text.toString('utf8'));
  const at = text.findIndex((byte, index) => byte !== decoded[index]);
  return Math.max(at, 0);
}
