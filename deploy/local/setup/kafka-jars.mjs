/** Kafka's own jars, from which the local stack starts a real broker. */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  fingerprint,
  hasHome,
  hashOf,
  inTools,
  isUnchanged,
  readStamp,
  replaceFolder,
  root,
  writeStamp,
} from './checkout.mjs';
import { findJava, homeOf } from './java.mjs';
import { archiveClasses } from './kafka-classes.mjs';
import { run, StepFailed, which } from './processes.mjs';

const pom = join(root, 'deploy', 'local', 'kafka', 'pom.xml');
const folder = inTools('kafka', 'lib');

export function kafkaJarsStep() {
  return {
    name: 'kafka',
    label: "Kafka's jars",
    todo: `fetch Kafka's jars with Maven into ${folder}`,

    isReady() {
      const stamp = readStamp('kafka');
      if (stamp === null || stamp.pom !== hashOf(pom) || !stamp.jars.every(isUnchanged)) return false;
      // Null: it could not be made. An older set-up did not try.
      return stamp.classes === null || (stamp.classes !== undefined && isUnchanged(stamp.classes));
    },

    needs: () =>
      which('mvn') !== null
        ? []
        : [{ what: 'Maven', why: "to fetch Kafka's jars", apt: ['maven'], dnf: ['maven'], brew: ['maven'] }],

    async run() {
      const java = findJava();
      const fresh = inTools('kafka', `fresh-${process.pid}`);
      rmSync(fresh, { recursive: true, force: true });
      mkdirSync(fresh, { recursive: true });
      try {
        const env = java === null ? process.env : { ...process.env, JAVA_HOME: homeOf(java) };
        // -C: a jar whose checksum does not match ends the step instead of being kept with a warning.
        // -U: a download that failed is tried again now; Maven would remember the failure for a day.
        const flags = [
          '-B',
          '-C',
          '-U',
          '-f',
          pom,
          'dependency:copy-dependencies',
          `-DoutputDirectory=${fresh}`,
        ];
        await run('mvn', [...flags, ...localRepository()], { log: 'kafka', env });
        if (!readdirSync(fresh).some((name) => name.startsWith('kafka_')))
          throw new StepFailed('Maven ended well but brought no Kafka', inTools('log', 'kafka.log'));
        replaceFolder(fresh, folder);
      } finally {
        rmSync(fresh, { recursive: true, force: true });
      }
      const jars = readdirSync(folder)
        .sort()
        .map((name) => fingerprint(join(folder, name)));
      const classes = java === null ? null : await archiveClasses(java, folder);
      writeStamp('kafka', { pom: hashOf(pom), jars, classes });
    },
  };
}

/** For a user without a home folder. */
export function localRepository() {
  return hasHome() ? [] : [`-Dmaven.repo.local=${inTools('m2')}`];
}
