/** A real browser without a window, for tests of pages; and pages that tell everything that went wrong in them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { findBrowser } from '../../deploy/local/setup/browser.mjs';

const program = findBrowser();
/** Where set-up could have brought one, its absence is a fault. */
const isSkipped = program === null && process.getuid?.() !== 0;
if (isSkipped) process.stderr.write('tests of HTML pages are skipped: there is no chromium on PATH\n');

/** Pictures for people to look at; not committed. */
const ARTEFACTS = join(import.meta.dirname, '../artefacts');

export interface OpenedPage {
  readonly page: Page;
  /** Messages of the console, errors, and requests for anything but the page itself. */
  readonly troubles: readonly string[];
}

export interface TestBrowser {
  open(html: string, options?: BrowserContextOptions): Promise<OpenedPage>;
}

/** Tests that need a browser. */
export function describeInBrowser(title: string, tests: (browser: TestBrowser) => void): void {
  describe.skipIf(isSkipped)(isSkipped ? `${title} (skipped: no chromium on PATH)` : title, () => {
    let browser: Browser;
    let folder: string;

    beforeAll(async () => {
      if (program === null) throw new Error('no chromium on PATH: `npm run setup` brings it');
      browser = await chromium.launch({ executablePath: program });
      folder = mkdtempSync(join(tmpdir(), 'pages-'));
    });

    afterEach(async () => {
      for (const context of browser.contexts()) await context.close();
    });

    afterAll(async () => {
      await browser?.close();
      rmSync(folder, { recursive: true, force: true });
    });

    tests({
      async open(html, options = {}) {
        const file = join(folder, 'report.html');
        writeFileSync(file, html);
        const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
        const page = await context.newPage();
        const address = pathToFileURL(file).href;
        const troubles: string[] = [];
        page.on('console', (message) => troubles.push(`${message.type()}: ${message.text()}`));
        page.on('pageerror', (error) => troubles.push(error.message));
        page.on('request', (request) => {
          if (request.url() !== address) troubles.push(`asked for ${request.url()}`);
        });
        await page.goto(address);
        return { page, troubles };
      },
    });
  });
}

export async function keepPicture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: artefact(`${name}.png`) });
}

/** @returns the path to write it to */
export function artefact(name: string): string {
  mkdirSync(ARTEFACTS, { recursive: true });
  return join(ARTEFACTS, name);
}
