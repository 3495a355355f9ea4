/** The Avro schema of a segment: the record that wraps Kafka's coordinates around the payload. */

/**
 * The wrapper has no namespace: one would be inherited by a writer schema that has none, and rename its types. Its own
 * names are therefore long ones that no producer uses; a schema that does is not put into a segment.
 */
export const RECORD_NAME = 'CampaignLedgerSegmentRecord';
export const HEADER_NAME = 'CampaignLedgerSegmentHeader';

/** In the field `schema_id` of records that could not be decoded. */
export const NO_SCHEMA_ID = -1;

/** The `value` of records that could not be decoded: the record's whole value, null for a tombstone. */
export const UNDECODABLE_VALUE = '["null","bytes"]';

const FIELDS = [
  { name: 'partition', type: 'int' },
  { name: 'offset', type: 'long' },
  { name: 'timestamp', type: { type: 'long', logicalType: 'timestamp-millis' } },
  { name: 'key', type: ['null', 'bytes'] },
  {
    name: 'headers',
    type: {
      type: 'array',
      items: {
        type: 'record',
        name: HEADER_NAME,
        fields: [
          { name: 'key', type: 'string' },
          { name: 'value', type: ['null', 'bytes'] },
        ],
      },
    },
  },
  { name: 'schema_id', type: 'int' },
];

/** @param value the schema of the payload, as text that is put in as it is */
export function wrapperSchema(value: string): string {
  const fields = FIELDS.map((field) => `${JSON.stringify(field)},`).join('');
  return `{"type":"record","name":"${RECORD_NAME}","fields":[${fields}{"name":"value","type":${value}}]}`;
}

/** Whether a schema uses one of the wrapper's own names. */
export function clashesWithWrapper(schemaText: string): boolean {
  return schemaText.includes(RECORD_NAME) || schemaText.includes(HEADER_NAME);
}
