/** Java for the local Kafka broker: the first one on the machine that is new enough. */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fingerprint, isUnchanged, readStamp, writeStamp } from './checkout.mjs';
import { capture, which } from './processes.mjs';

/** Kafka 4 brokers run on Java 17 and later. */
const OLDEST = 17;

/** @returns the path of a `java` that is new enough, or null */
export function findJava() {
  const stamp = readStamp('java');
  if (stamp !== null && isUnchanged(stamp)) return stamp.file;
  const found = candidates().find((file) => majorOf(file) >= OLDEST) ?? null;
  if (found !== null) writeStamp('java', fingerprint(found));
  return found;
}

function candidates() {
  const homes = [
    process.env.JAVA_HOME,
    ...homesIn('/usr/lib/jvm'),
    '/opt/homebrew/opt/openjdk',
    '/usr/local/opt/openjdk',
  ];
  const files = [which('java'), ...homes.filter(Boolean).map((home) => join(home, 'bin', 'java'))];
  return files.filter((file) => file !== null && existsSync(file)).map((file) => realpathSync(file));
}

function homesIn(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((name) => join(folder, name));
}

/** A Java says its version in a file; one that does not is asked, which takes a tenth of a second. */
function majorOf(java) {
  const release = join(homeOf(java), 'release');
  const said = existsSync(release) ? readFileSync(release, 'utf8') : capture(java, ['-version']);
  const version = said?.match(/(?:JAVA_VERSION=|version )"(\d+)/)?.[1];
  return version === undefined ? 0 : Number(version);
}

export function homeOf(java) {
  return dirname(dirname(java));
}

export function javaStep() {
  return {
    name: 'java',
    label: 'Java',
    todo: 'install Java',
    isReady: () => findJava() !== null,
    needs: () =>
      findJava() !== null
        ? []
        : [
            {
              what: `Java ${OLDEST} or newer`,
              why: 'to run the local Kafka broker',
              apt: [['openjdk-17-jre-headless', 'openjdk-21-jre-headless', 'default-jre-headless']],
              dnf: ['java-latest-openjdk-headless'],
              brew: ['openjdk'],
            },
          ],
    // Java comes with the machine's packages, before this step.
    run: null,
  };
}
