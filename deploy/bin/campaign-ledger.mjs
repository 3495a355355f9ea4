#!/usr/bin/env node
/** The installed command: TypeScript as it stands in a checkout, JavaScript from dist/ everywhere else. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const source = new URL('../../pipelines/main.ts', import.meta.url);
const built = new URL('../../dist/pipelines/main.js', import.meta.url);

// A checkout may hold an old dist/; Node strips no types below node_modules.
const isCheckout =
  existsSync(fileURLToPath(source)) &&
  process.features.typescript !== undefined &&
  process.features.typescript !== false;
const main = isCheckout ? source : built;

if (existsSync(fileURLToPath(main))) await (await import(main.href)).start();
else {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const isOld = major < 22 || (major === 22 && minor < 18);
  process.stderr.write(
    isOld
      ? `campaign-ledger needs Node 22.18 or newer; this is ${process.version}. In a checkout: npm run -s ledger -- …\n`
      : 'campaign-ledger is not built: npm run build\n',
  );
  process.exitCode = 1;
}
