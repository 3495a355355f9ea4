/** Takes secrets out of text that other people's code, or a person in a hurry, has put them into. */

/** Stands in a secret's place. */
export const MASK = '[secret]';

/**
 * For messages and stacks: the signature of any SAS, the key of any connection string, the login of any URL, and any
 * private key. The rest stays, also the `@` in the paths of packages (`file:///…/node_modules/@azure/…`).
 */
export function withoutSignatures(text: string): string {
  return text
    .replace(/\bsig(=|%3D)[^&;\s"']+/gi, `sig$1${MASK}`)
    .replace(/(AccountKey\s*=\s*)[^;\s"']+/gi, `$1${MASK}`)
    .replace(/(SharedAccessSignature\s*=\s*)[^;\s"']+/gi, `$1${MASK}`)
    .replace(/:\/\/(?!\/)[^\s"'<>]*@/g, `://${MASK}@`)
    .replace(/(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END|$)/gs, `$1${MASK}$2`);
}

/**
 * For a value on its own, of which nothing is known but that it is not what it should be: whatever could be a login is
 * masked, since a password may hold any character, a slash or an `@` too. So are queries, where ClickHouse and Azure
 * take logins.
 */
export function withoutLogins(value: string): string {
  if (value.includes('PRIVATE KEY-----')) return MASK;
  const [before = ''] = /^.*?:\/\//s.exec(value) ?? [];
  const after = value
    .slice(before.length)
    .replace(/((?:AccountKey|SharedAccessSignature)\s*=\s*)[^;]+/gi, `$1${MASK}`);
  const hasQuery = /[?#]./s.test(after);
  // With both, either may be a part of the other.
  if (hasQuery && after.includes('@')) return `${before}${MASK}`;
  const rest = hasQuery ? after.replace(/([?#]).+/s, `$1${MASK}`) : after.replace(/^.*@/s, `${MASK}@`);
  return withoutSignatures(`${before}${rest}`);
}
