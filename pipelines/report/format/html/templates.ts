/** The page's own files: templates, style and script, read once, and the policy that lets these two run and nothing else. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Eta } from 'eta';
import { escapeHtml } from './shown-text.ts';

const TEMPLATES = [
  'head',
  'timeline',
  'filters',
  'record',
  'entries',
  'record-end',
  'change',
  'version',
  'foot',
] as const;

type Template = (typeof TEMPLATES)[number];

const eta = new Eta({ escapeFunction: escapeHtml });
// Without indentation and line ends between tags: in a long page they would be as many nodes as there are elements.
for (const name of TEMPLATES)
  eta.loadTemplate(
    `@${name}`,
    textOf(`${name}.eta`)
      .replace(/^[ \t]+/gm, '')
      .replaceAll('>\n<', '><')
      .trimEnd(),
  );

/** Every value that a template prints is escaped; `view` is what it calls `it`. */
export function render(template: Template, view: object): string {
  return eta.render(`@${template}`, view);
}

export const STYLE = textOf('page.css');
export const SCRIPT = textOf('page.js');

/** Nothing is fetched, sent or run but the two that the page brings. https://www.w3.org/TR/CSP3/ */
export const POLICY = [
  "default-src 'none'",
  `script-src ${hashSource(SCRIPT)}`,
  `style-src ${hashSource(STYLE)}`,
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

/** A browser reads every line end as a line feed before it takes the hash. */
function textOf(file: string): string {
  return readFileSync(new URL(file, import.meta.url), 'utf8').replaceAll('\r\n', '\n');
}

function hashSource(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
