/** The name and version that reports bear. */
import manifest from '../../package.json' with { type: 'json' };

export const PROGRAM = `${manifest.name}/${manifest.version}`;
