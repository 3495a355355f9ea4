/** The kinds of value a configuration key can hold, each with the message a person needs to put it right. */
import { z } from 'zod';

/** Keys marked so are never printed, may stand in a file of their own (`<key>File`), and are redacted in logs. */
const SECRET = { secret: true } as const;

/** A secret. Null when it is not used. */
export const secret = () => z.string().min(1, 'must not be empty').nullable().meta(SECRET).default(null);

/** Where a file with the secret named by the rest of the key lies. Read once, at start. */
export const secretFile = () => z.string().min(1, 'must not be empty').nullable().default(null);

/** A path or name that may be left out. */
export const optionalText = () => z.string().min(1, 'must not be empty').nullable().default(null);

const DAY_MS = 86_400_000;

/** A time span in milliseconds that a timer can hold (setTimeout wraps round at 2^31). */
export const milliseconds = (least = 1) =>
  z
    .int('must be a whole number of milliseconds')
    .min(least, `must be at least ${least} ms`)
    .max(2_147_483_647, 'must be at most 2147483647 ms (24.8 days)');

/** A long time span in milliseconds, for what brokers keep: up to 100 years. */
export const longMilliseconds = (least = 1) =>
  z
    .int('must be a whole number of milliseconds')
    .min(least, `must be at least ${least} ms`)
    .max(36_525 * DAY_MS, 'must be at most 100 years');

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB'] as const;

/** 33554432 as "32 MiB", for messages. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && value % 1024 === 0 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value} ${UNITS[unit]}`;
}

/** A size in bytes. */
export const bytes = ({ least, most }: { least: number; most: number }) =>
  z
    .int('must be a whole number of bytes')
    .min(least, `must be at least ${least} (${formatBytes(least)})`)
    .max(most, `must be at most ${most} (${formatBytes(most)})`);

/** A count of things. */
export const count = ({ least = 1, most }: { least?: number; most: number }) =>
  z
    .int('must be a whole number')
    .min(least, `must be at least ${least}`)
    .max(most, `must be at most ${most}`);

/** A base address of an HTTP service. Credentials have keys of their own: a URL ends up in logs. */
export const httpUrl = ({ example }: { example: string }) =>
  z
    .string({
      error: ({ input }) => (input == null ? `is required, for example ${example}` : 'must be a URL'),
    })
    .superRefine((text, context) => {
      const fault = urlFault(text, example);
      if (fault !== null) context.addIssue({ code: 'custom', message: fault });
    });

function urlFault(text: string, example: string): string | null {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol))
    return `must be an http or https URL, for example ${example}`;
  if (url.username !== '' || url.password !== '') {
    return 'must not hold a user name or password: give them in the keys made for them';
  }
  if (url.search !== '' || url.hash !== '') return 'must not have a query or a fragment';
  return null;
}

/** `host:port`, also `[::1]:9092`. */
export const hostAndPort = () =>
  z.string('must be text such as broker-1.example.net:9092').refine(
    (text) => {
      const match = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(text);
      return match !== null && Number(match[1]) >= 1 && Number(match[1]) <= 65_535;
    },
    { error: 'must be host:port, for example broker-1.example.net:9092' },
  );

/** One of a few words. */
export const oneOf = <const T extends readonly [string, ...string[]]>(words: T) =>
  z.enum(words, { error: `must be one of ${words.join(', ')}` });

/** An identifier of ClickHouse that needs no quoting anywhere. */
export const identifier = () =>
  z
    .string()
    .regex(
      /^[A-Za-z_][A-Za-z0-9_]{0,62}$/,
      'must be letters, digits and underscores, not a digit first, at most 63',
    );
