/** Text for a cell of a CSV file that people open with a spreadsheet. Pure. */

/**
 * Spreadsheets run a cell that begins like this as a formula, and what users and campaigns are called is not ours to
 * trust: such text gets an apostrophe in front. https://owasp.org/www-community/attacks/CSV_Injection
 */
const FORMULA = /^[=+\-@\t\r\uFF1D\uFF0B\uFF0D\uFF20]/;

export function formulaSafe(text: string): string {
  return FORMULA.test(text) ? `'${text}` : text;
}
