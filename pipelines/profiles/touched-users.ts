/** Which users a flush touches, and by which changes: what has to be folded again. */
import type { RowView } from '../common/transcode/row-spec.ts';

export interface TouchedUser {
  readonly tenantId: string;
  readonly userId: string;
  readonly changeIds: Set<string>;
}

/** An id may hold any character: only with a length in front two users never share a key. */
export function userKey(tenantId: string, userId: string): string {
  return `${tenantId.length}:${tenantId}/${userId}`;
}

export class TouchedUsers {
  readonly #users = new Map<string, TouchedUser>();

  /** @param row of `profile_changes` */
  add(row: RowView): void {
    const tenantId = row.text('tenant_id') ?? '';
    const userId = row.text('user_id') ?? '';
    this.#of(tenantId, userId).changeIds.add(row.text('change_id') ?? '');
  }

  addAll(others: TouchedUsers): void {
    for (const { tenantId, userId, changeIds } of others.list()) {
      const known = this.#of(tenantId, userId).changeIds;
      for (const id of changeIds) known.add(id);
    }
  }

  list(): TouchedUser[] {
    return [...this.#users.values()];
  }

  #of(tenantId: string, userId: string): TouchedUser {
    const key = userKey(tenantId, userId);
    let user = this.#users.get(key);
    if (user === undefined) {
      user = { tenantId, userId, changeIds: new Set() };
      this.#users.set(key, user);
    }
    return user;
  }
}
