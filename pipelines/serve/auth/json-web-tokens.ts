/** Tokens of an identity provider (JWT, RFC 7519), checked with the keys that it publishes. */
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose';
import type { Config } from '../../../config/schema.ts';
import type { Clock } from '../../common/clock.ts';
import { Outage } from '../../common/errors.ts';
import type { Principal } from './principal.ts';

/**
 * Signatures that only the provider can make. With a shared secret (HS256) whoever can check a token can make one, and a
 * public key that is taken for such a secret lets everybody in. (RFC 8725, 3.1)
 */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512'],
  ...['EdDSA', 'Ed25519'],
];

const FETCH_TIMEOUT_MS = 5_000;
/** Seconds that clocks may differ. */
const CLOCK_TOLERANCE = 5;

/** What the provider cannot be blamed for: the token is not good. */
const BAD_TOKEN = [
  errors.JWTInvalid,
  errors.JWTExpired,
  errors.JWTClaimValidationFailed,
  errors.JWSInvalid,
  errors.JWSSignatureVerificationFailed,
  errors.JOSEAlgNotAllowed,
  errors.JOSENotSupported,
  errors.JWKSNoMatchingKey,
  errors.JWKSMultipleMatchingKeys,
];

export type CheckToken = (token: string) => Promise<Principal | null>;

/** Of three parts, as no static key has them. */
export const looksLikeJwt = (token: string): boolean => /^[\w-]+\.[\w-]+\.[\w-]*$/.test(token);

/** @param settings `serve.auth.jwks`, with its URL */
export function jsonWebTokens(
  { issuer, audience, tenantsClaim }: Config['serve']['auth']['jwks'],
  { url, clock }: { readonly url: string; readonly clock: Clock },
): CheckToken {
  const keys = createRemoteJWKSet(new URL(url), { timeoutDuration: FETCH_TIMEOUT_MS });
  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, keys, {
        algorithms: ALGORITHMS,
        issuer: issuer ?? '',
        audience: audience ?? '',
        requiredClaims: ['exp', 'sub'],
        clockTolerance: CLOCK_TOLERANCE,
        currentDate: new Date(clock.now()),
      });
      return principalOf(payload, tenantsClaim);
    } catch (error) {
      if (BAD_TOKEN.some((kind) => error instanceof kind)) return null;
      throw new Outage('jwks', 'the keys of the identity provider cannot be had', { cause: error });
    }
  };
}

/** Null: it does not say for which tenants it is good, so it is good for none. */
function principalOf(payload: JWTPayload, tenantsClaim: string): Principal | null {
  const tenants = payload[tenantsClaim];
  const { sub, scope } = payload;
  if (!Array.isArray(tenants) || tenants.length === 0) return null;
  if (!tenants.every((tenant): tenant is string => typeof tenant === 'string' && tenant !== '')) return null;
  const scopes = typeof scope === 'string' ? scope.split(' ').filter((one) => one !== '') : [];
  // Of another kind than ids of keys, which have no colon.
  return { id: `jwt:${sub ?? ''}`, tenants, scopes: new Set(scopes) };
}
