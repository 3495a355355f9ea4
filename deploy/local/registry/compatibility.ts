/** Whether values written with one schema can be read with another, as the Avro specification resolves schemas. */
import type { Type } from 'avsc';
import type { CompatibilityLevel } from './store.ts';

/** @returns what speaks against `next` beside `previous` at the level; empty when nothing does */
export function incompatibilities(next: Type, previous: Type, level: CompatibilityLevel): readonly string[] {
  const faults: string[] = [];
  if (level.startsWith('BACKWARD') || level.startsWith('FULL'))
    faults.push(...unreadable({ reader: next, writer: previous }));
  if (level.startsWith('FORWARD') || level.startsWith('FULL'))
    faults.push(...unreadable({ reader: previous, writer: next }));
  return faults;
}

function unreadable({ reader, writer }: { reader: Type; writer: Type }): readonly string[] {
  try {
    reader.createResolver(writer);
    return [];
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}
