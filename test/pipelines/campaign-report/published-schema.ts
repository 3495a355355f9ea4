/** Reports held against schemas/report/campaign-report.schema.json. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'vitest';
import type { CampaignReport } from '../../../pipelines/campaign-report/report.ts';
import schema from '../../../schemas/report/campaign-report.schema.json' with { type: 'json' };

const compiled = (of: object) =>
  new Ajv2020({ strict: true, strictTypes: false, strictRequired: false }).compile(of);

export const isAsPublished = compiled(schema);

/** The schema lets later versions add properties. Of this version's it is to describe every one: here no other may be there. */
const isDescribed = compiled({ ...(closed(schema) as object), $id: `${schema.$id}:closed` });

function closed(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(closed);
  if (typeof node !== 'object' || node === null) return node;
  const members = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, closed(value)]));
  return 'type' in node && node.type === 'object' ? { ...members, additionalProperties: false } : members;
}

/** As its readers have it. */
export function asJson(report: CampaignReport): unknown {
  return JSON.parse(JSON.stringify(report));
}

export function expectAsPublished(report: unknown): void {
  for (const validate of [isAsPublished, isDescribed])
    expect(validate(report), JSON.stringify(validate.errors)).toBe(true);
}
