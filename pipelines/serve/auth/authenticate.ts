/** From the header of a request to whom it comes from. */
import type { Config } from '../../../config/schema.ts';
import type { Clock } from '../../common/clock.ts';
import { UsageError } from '../../common/errors.ts';
import type { Logger } from '../../common/logger.ts';
import { Problem } from '../problems.ts';
import { type CheckToken, jsonWebTokens, looksLikeJwt } from './json-web-tokens.ts';
import type { Principal } from './principal.ts';
import { StaticKeys } from './static-keys.ts';

export interface Authenticator extends Disposable {
  /**
   * @param header `Authorization`
   * @throws {Problem} unauthorized
   * @throws {Outage} the identity provider cannot be asked
   */
  authenticate(header: string | undefined): Promise<Principal>;
}

export interface AuthenticatorOptions {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** @throws {UsageError} no way to log in is configured, or the file of keys cannot be used */
export async function openAuthenticator(
  auth: Config['serve']['auth'],
  { clock, logger }: AuthenticatorOptions,
): Promise<Authenticator> {
  const { keysFile, jwks } = auth;
  if (keysFile === null && jwks.url === null) {
    throw new UsageError(
      'serve: nobody could ask for anything: give serve.auth.keysFile (`campaign-ledger serve new-key` makes its entries), or serve.auth.jwks.url with issuer and audience',
    );
  }
  const keys = keysFile === null ? null : await StaticKeys.open({ file: keysFile, clock, logger });
  const checkJwt: CheckToken | null =
    jwks.url === null ? null : jsonWebTokens(jwks, { url: jwks.url, clock });
  return {
    async authenticate(header) {
      const token = bearerToken(header);
      if (token === null) throw unauthorized(null);
      const principal =
        checkJwt !== null && looksLikeJwt(token) ? await checkJwt(token) : (keys?.find(token) ?? null);
      if (principal === null) throw unauthorized('invalid_token');
      return principal;
    },
    [Symbol.dispose]: () => keys?.[Symbol.dispose](),
  };
}

/** RFC 6750. */
function bearerToken(header: string | undefined): string | null {
  return /^bearer +([\w.~+/=-]{1,8192})$/i.exec(header ?? '')?.[1] ?? null;
}

function unauthorized(error: 'invalid_token' | null): Problem {
  return new Problem(
    'unauthorized',
    error === null
      ? 'send a token: Authorization: Bearer <token>'
      : 'the token is unknown, has expired, or is not meant for this service',
    {
      headers: {
        'www-authenticate': `Bearer realm="campaign-ledger"${error === null ? '' : `, error="${error}"`}`,
      },
    },
  );
}
