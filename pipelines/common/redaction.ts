/** Takes secrets out of text that other people's code has put them into. */

/** The signature of any SAS, the key of any connection string, and the password of any URL. */
export function withoutSignatures(text: string): string {
  return text
    .replace(/([?&;]sig=)[^&\s"']+/gi, '$1[secret]')
    .replace(/(AccountKey=)[^;\s"']+/gi, '$1[secret]')
    .replace(/(:\/\/[^:/?#\s]+:)[^@/?#\s]+@/g, '$1[secret]@');
}
