/** The files with certificates and keys, looked at before anything connects: what a client says of a bad one is no help. */
import { checkTls } from '../pipelines/common/tls.ts';
import type { Fault } from './faults.ts';
import type { ConfigKey } from './keys.ts';
import { type Tree, valueAt } from './tree.ts';

/** Each file of each `tls` section that cannot be read or does not hold what it should. */
export function tlsFileFaults(input: Tree, keys: readonly ConfigKey[]): readonly Fault[] {
  const sections = keys.filter(({ path }) => path.at(-1) === 'caFile').map(({ path }) => path.slice(0, -1));
  return sections.flatMap((section) => {
    const textAt = (name: string): string | null => {
      const value = valueAt(input, [...section, name]);
      return typeof value === 'string' && value !== '' ? value : null;
    };
    const { faults } = checkTls({
      caFile: textAt('caFile'),
      certFile: textAt('certFile'),
      keyFile: textAt('keyFile'),
      keyPassword: textAt('keyPassword'),
    });
    return faults.map(({ key, file, reason }) => ({
      path: [...section, key].join('.'),
      message: reason,
      value: file,
    }));
  });
}
