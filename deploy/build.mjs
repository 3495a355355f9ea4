/** Builds dist/: JavaScript with the files it reads beside it, in the sources' layout. `npm run build`. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');

/** What the pipelines read at run time: schemas, SQL, defaults, and a page's templates, style and script. */
const ASSETS = new Set(['.avsc', '.sql', '.yaml', '.json', '.eta', '.css', '.js']);

// Built aside and moved, so that a build that fails leaves the old one whole.
const tools = join(root, '.tools');
mkdirSync(tools, { recursive: true });
const fresh = mkdtempSync(join(tools, 'dist-'));
try {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const args = ['-p', join(root, 'tsconfig.build.json'), '--outDir', fresh];
  const { status } = spawnSync(process.execPath, [tsc, ...args], { stdio: 'inherit' });
  if (status !== 0) throw new Error('the sources do not compile');
  // What is imported from here serves a checkout: it needs development packages and Kafka's jars.
  rmSync(join(fresh, 'deploy'), { recursive: true, force: true });
  for (const folder of ['config', 'pipelines', 'schemas']) copyAssets(folder);
  cpSync(join(root, 'package.json'), join(fresh, 'package.json'));
  rmSync(dist, { recursive: true, force: true });
  renameSync(fresh, dist);
} catch (error) {
  process.stderr.write(`build: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  rmSync(fresh, { recursive: true, force: true });
}

function copyAssets(folder) {
  mkdirSync(join(fresh, folder), { recursive: true });
  cpSync(join(root, folder), join(fresh, folder), {
    recursive: true,
    filter: (file) => extname(file) === '' || ASSETS.has(extname(file)),
  });
}
