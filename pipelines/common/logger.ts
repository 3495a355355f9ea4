/** The one logger: structured lines on standard error, so that standard output holds results alone. */
import { type DestinationStream, type Logger, pino, stdSerializers } from 'pino';
import { pretty } from './pretty-stream.ts';
import { withoutSignatures } from './redaction.ts';

export type { Logger } from 'pino';

export interface LogSettings {
  readonly level: string;
  readonly format: 'auto' | 'json' | 'pretty';
}

/** Wherever a configuration, a client's settings or a request is logged by mistake, these never show. */
const REDACTED = [
  'password',
  'keyPassword',
  'clientSecret',
  'connectionString',
  'sasToken',
  'authorization',
  'Authorization',
  '["sasl.password"]',
  '["ssl.key.password"]',
  '["sasl.oauthbearer.client.secret"]',
].flatMap((key) => {
  const at = (path: string) => (key.startsWith('[') ? `${path}${key}` : path === '' ? key : `${path}.${key}`);
  return [at(''), at('*'), at('*.*'), at('*.*.*'), at('*.*.*.*')];
});

/**
 * `auto` is pretty where standard error is a terminal, else JSON.
 * @param destination standard error when left out
 */
export function createLogger({ level, format }: LogSettings, destination?: DestinationStream): Logger {
  const isPretty = format === 'pretty' || (format === 'auto' && process.stderr.isTTY === true);
  const stream = destination ?? pino.destination({ dest: 2, sync: true });
  return pino(
    {
      level,
      redact: { paths: REDACTED, censor: '[secret]' },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      base: null,
      serializers: { err: serializeError, error: serializeError },
    },
    isPretty ? pretty(stream) : stream,
  );
}

/** URLs in the messages of Azure's SDK carry the SAS, whose signature is the secret. */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { type, message, stack } = stdSerializers.err(error);
  return { type, message: withoutSignatures(message), stack: withoutSignatures(stack) };
}
