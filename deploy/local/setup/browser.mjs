/** A browser for the tests of HTML pages. Nothing else needs one, so where it cannot be had set-up goes on without. */
import { readStamp, writeStamp } from './checkout.mjs';
import { which } from './processes.mjs';
import { canInstall, install } from './system-packages.mjs';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** With fonts for what names are written in: without them a picture of the page shows boxes. */
const NEED = {
  what: 'Chromium',
  why: 'to test HTML reports',
  apt: ['chromium', 'fonts-noto-core', 'fonts-noto-color-emoji'],
};

/** @returns the path of a Chromium, or null */
export function findBrowser() {
  return NAMES.map((name) => which(name)).find((file) => file !== null) ?? null;
}

export function browserStep() {
  const isThere = findBrowser() !== null;
  return {
    name: 'browser',
    label:
      isThere || (readStamp('browser') === null && canInstall([NEED]))
        ? 'Chromium'
        : 'no Chromium, without which tests of HTML pages are skipped',
    todo: 'install Chromium',
    // Tried once: without a network each run of the tests would begin with waiting for it.
    isReady: () => findBrowser() !== null || readStamp('browser') !== null || !canInstall([NEED]),
    needs: () => [],
    async run() {
      await install([NEED]).catch((error) => {
        writeStamp('browser', { failed: error.message });
        process.stderr.write(
          `${error.message}; tests of HTML pages are skipped. Remove .tools/stamps/browser.json to try again: `,
        );
      });
    },
  };
}
