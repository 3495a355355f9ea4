/** Types of browser.mjs for those who import it from TypeScript. */

/** The path of a Chromium, or null. */
export function findBrowser(): string | null;
