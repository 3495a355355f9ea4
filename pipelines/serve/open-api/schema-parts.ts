/** What the schemas of the API are put together of. */

export const text = (description: string, more: object = {}) => ({ type: 'string', description, ...more });

export const time = { type: 'string', format: 'date-time' } as const;
export const timeOrNull = { type: ['string', 'null'], format: 'date-time' } as const;

export const asRef = (name: string) => ({ $ref: `#/components/schemas/${name}` });

/** All of its properties are required, but where `more` says otherwise. */
export function objectOf<Properties extends Readonly<Record<string, object>>>(
  properties: Properties,
  more: object = {},
) {
  return { type: 'object', required: Object.keys(properties), properties, ...more };
}
