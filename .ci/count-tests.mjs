/** Prints `N passed, N failed` from vitest's JSON reports. Exit code 1 when anything failed or nothing ran. */
import { existsSync, readFileSync } from 'node:fs';

const args = process.argv.slice(2);
const hasFailedStep = args[0] === '--failed-step';
const reports = args.filter((file) => existsSync(file)).map((file) => JSON.parse(readFileSync(file, 'utf8')));

let passed = 0;
let failed = 0;
for (const report of reports) {
  passed += report.numPassedTests;
  failed += report.numFailedTests;
  // A file that does not even load has no tests to fail.
  failed += report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  ).length;
}
if (failed === 0 && (hasFailedStep || passed === 0)) failed = 1;
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
