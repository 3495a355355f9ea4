/** Whom a token stands for, and what they may. */
import { notFound, Problem } from '../problems.ts';

export const SCOPES = ['reports:read', 'reports:create'] as const;

export type Scope = (typeof SCOPES)[number];

export interface Principal {
  /** Of the key, or of the token's subject: what logs, limits and jobs know them by. Never the token. */
  readonly id: string;
  readonly tenants: readonly string[];
  readonly scopes: ReadonlySet<string>;
}

/** @throws {Problem} insufficient_scope */
export function assertScope({ scopes }: Principal, scope: Scope): void {
  if (scopes.has(scope)) return;
  throw new Problem('insufficient_scope', `this needs a token with the scope ${scope}`, {
    headers: { 'www-authenticate': `Bearer error="insufficient_scope", scope="${scope}"` },
  });
}

/**
 * The tenant that is asked for, or else the token's only one.
 * @throws {Problem} not_found for a tenant of somebody else, whether there is one or not; invalid_request where it is not said which
 */
export function tenantOf({ tenants }: Principal, asked: string | null): string {
  const [only] = tenants;
  if (asked === null) {
    if (tenants.length === 1 && only !== undefined) return only;
    throw new Problem('invalid_request', 'tenant_id: say which tenant; the token is good for more than one', {
      parameter: 'tenant_id',
    });
  }
  if (!tenants.includes(asked)) throw notFound();
  return asked;
}
