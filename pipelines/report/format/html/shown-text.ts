/** Any text in a page: escaped, and with what a reader cannot see, or what would turn the text around it, made visible. */

/**
 * Control characters but tab and line feed (HTML drops or changes most of them), lone surrogates (UTF-8 has none), separators
 * that break lines, and the marks that reverse the text behind them. The joiners and direction marks that names are
 * written with are left alone, and so are the tags within emoji.
 */
const UNSEEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]|\p{Cs}/gu;

/** As the table at a terminal shows them: `\u{202e}`. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** For text between tags and in quoted attributes alike. */
export function escapeHtml(value: unknown): string {
  return visible(String(value)).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/** @returns the address to link to, or null where the text is to stay text: a link goes to a web page or nowhere */
export function webAddress(text: string): string | null {
  if (!/^https?:\/\//i.test(text)) return null;
  const url = URL.parse(text);
  return url !== null && (url.protocol === 'https:' || url.protocol === 'http:') ? url.href : null;
}
