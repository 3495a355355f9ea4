/** What set-up needs of the machine itself: named all at once when it is missing, installed where that is allowed. */
import { capture, run, which } from './processes.mjs';

/**
 * A need is `{ what, why, apt, dnf?, brew? }`: the thing, what it is for, and its package names by package manager.
 * An entry of `apt` may be a list of names, of which the first that the machine's release has is taken.
 */
const MANAGERS = {
  apt: {
    program: 'apt-get',
    install: 'apt-get update && apt-get install -y --no-install-recommends',
    asRoot: true,
  },
  dnf: { program: 'dnf', install: 'dnf install -y', asRoot: true },
  brew: { program: 'brew', install: 'brew install', asRoot: false },
};

/** How apt-get can be run as root without asking anyone: the words before it, or null. */
function aptPrefix() {
  if (which('apt-get') === null) return null;
  if (process.getuid?.() === 0) return [];
  return which('sudo') !== null && capture('sudo', ['-n', 'true']) !== null ? ['sudo', '-n'] : null;
}

export function canInstall(needs) {
  return aptPrefix() !== null && needs.every((need) => need.apt !== undefined);
}

export async function install(needs) {
  const [program, ...prefix] = [...aptPrefix(), 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get'];
  const apt = (args) =>
    run(program, [...prefix, '-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=3', ...args], {
      log: 'system',
    });
  // A fresh image has no lists at all. One broken source of many must not end set-up here: the install will tell.
  await apt(['update']).catch(() => {});
  await apt(['install', '-y', '--no-install-recommends', ...aptNames(needs)]);
}

function aptNames(needs) {
  return unique(
    needs.flatMap((need) => need.apt.map((name) => (Array.isArray(name) ? firstInRelease(name) : name))),
  );
}

function firstInRelease(names) {
  return names.find((name) => capture('apt-cache', ['show', '--quiet=2', name]) !== null) ?? names[0];
}

/** One message with everything that is missing and the command that brings it. */
export function describeMissing(needs) {
  const lines = ['cannot go on; nothing was changed. Missing on this machine:'];
  for (const why of unique(needs.map((need) => need.why))) {
    const what = needs.filter((need) => need.why === why).map((need) => need.what);
    lines.push(`  ${why}: ${what.join(', ')}`);
  }
  const command = installCommand(needs);
  lines.push(
    command === null
      ? `Install them, then run this again.${debianHint(needs)}`
      : `Bring them with:\n  ${command}\nthen run this again.`,
  );
  return lines.join('\n');
}

function installCommand(needs) {
  for (const [name, manager] of Object.entries(MANAGERS)) {
    if (which(manager.program) === null) continue;
    const names =
      name === 'apt'
        ? aptNames(needs.filter((need) => need.apt !== undefined))
        : unique(needs.flatMap((need) => need[name] ?? []));
    if (names.length === 0) return null;
    const sudo = manager.asRoot && process.getuid?.() !== 0 ? 'sudo ' : '';
    return `${sudo}${manager.install.replaceAll('&& ', `&& ${sudo}`)} ${names.join(' ')}`;
  }
  return null;
}

/** Where none of the package managers is there, Debian's names are at least something to look for. */
function debianHint(needs) {
  const names = aptNames(needs.filter((need) => need.apt !== undefined));
  return names.length === 0 ? '' : `\nOn Debian: ${MANAGERS.apt.install} ${names.join(' ')}`;
}

function unique(names) {
  return [...new Set(names)];
}
