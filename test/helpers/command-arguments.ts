/** Values of options of the commands that are for developers: bench, chaos, endurance. */
import { InvalidArgumentError } from 'commander';

/** 1 to 999,999,999. */
export function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('must be a whole number above 0.');
  return Number(text);
}

/** Names that commas part. */
export function list(text: string): readonly string[] {
  return text.split(',').map((name) => name.trim());
}
