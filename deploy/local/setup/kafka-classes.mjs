/** The broker's classes as Java keeps them once they are read and checked (class data sharing): a start takes half the time. */
import { once } from 'node:events';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fingerprint, inTools, root } from './checkout.mjs';
import { run, StepFailed } from './processes.mjs';

const HOST = '127.0.0.1';
const PROPERTIES = 'server.properties';
const LOG_SETTINGS = join(root, 'deploy', 'local', 'kafka', 'log4j2.properties');
const LONGEST_MS = 120_000;
const LOOK_MS = 100;

/** Made by one Java from one set of jars; Java passes over one that does not fit. */
const archive = inTools('kafka', 'classes.jsa');

/** @returns the options with which Java starts from the archive: none where there is no archive */
export function classArchiveOptions() {
  return existsSync(archive) ? [`-XX:SharedArchiveFile=${archive}`] : [];
}

/**
 * Starts a broker of its own once and keeps what it has loaded. Without the archive everything works, only slower:
 * where it cannot be made, the log says why.
 * @param java the file
 * @param jars the folder
 * @returns the archive's fingerprint, or null
 */
export async function archiveClasses(java, jars) {
  rmSync(archive, { force: true });
  const folder = inTools('kafka', `fresh-${process.pid}`);
  const fresh = `${archive}.fresh-${process.pid}`;
  const [port, controllerPort] = await freePorts(2);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, PROPERTIES), serverProperties(port, controllerPort));
  const common = ['-XX:+UseSerialGC', `-Dlog4j2.configurationFile=${LOG_SETTINGS}`, '-cp', join(jars, '*')];
  const format = ['format', '--cluster-id', 'LedgerSetUpClusterId00', '--config', PROPERTIES];
  const env = { ...process.env, LC_ALL: 'C.UTF-8' };
  const options = { log: 'kafka-classes', timeoutMs: LONGEST_MS, env, cwd: folder };
  try {
    await run(java, [...common, 'kafka.tools.StorageTool', ...format], options);
    const broker = [`-XX:ArchiveClassesAtExit=${fresh}`, ...common, 'kafka.Kafka', PROPERTIES];
    await run(java, broker, { ...options, endWhen: (signal) => answers(port, signal) });
    if (!existsSync(fresh)) return null;
    renameSync(fresh, archive);
    return fingerprint(archive);
  } catch (error) {
    if (error instanceof StepFailed) return null;
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
    rmSync(fresh, { force: true });
  }
}

function serverProperties(port, controllerPort) {
  return [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.voters=1@${HOST}:${controllerPort}`,
    'controller.listener.names=CONTROLLER',
    `listeners=PLAINTEXT://${HOST}:${port},CONTROLLER://${HOST}:${controllerPort}`,
    'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'offsets.topic.replication.factor=1',
    'log.dirs=log',
    '',
  ].join('\n');
}

async function answers(port, signal) {
  for (;;) {
    const socket = connect(port, HOST);
    try {
      await once(socket, 'connect', { signal });
      return;
    } catch {
      signal.throwIfAborted();
      await sleep(LOOK_MS);
    } finally {
      socket.destroy();
    }
  }
}

async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, HOST));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
