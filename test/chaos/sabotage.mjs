/**
 * Loaded before a pipeline (`node --import`): breaks a guarantee in its very source, as a careless change would.
 * CHAOS_SABOTAGE is a JSON list of `{ file, find, replace }`; a text that is not there ends the process.
 */
import { registerHooks } from 'node:module';

const edits = JSON.parse(process.env.CHAOS_SABOTAGE ?? '[]');

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const own = edits.filter(({ file }) => url.endsWith(file));
    if (own.length === 0) return loaded;
    let source = Buffer.from(loaded.source).toString('utf8');
    for (const { file, find, replace } of own) {
      if (!source.includes(find)) throw new Error(`sabotage: '${find}' is not in ${file}`);
      source = source.replace(find, replace);
    }
    process.stderr.write(`sabotaged ${url}\n`);
    return { ...loaded, source };
  },
});
