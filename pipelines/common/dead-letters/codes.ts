/** Every reason for which a record is refused: a stable code, what it means and what helps. docs/dead-letters.md is held to it. */

export interface DeadLetterCode {
  /** What is wrong with the record, as a sentence for people. */
  readonly meaning: string;
  /** What somebody can do about it. */
  readonly remedy: string;
}

const FIX_PRODUCER = 'Correct the producer; where the value can be repaired, produce the repaired one.';

export const DEAD_LETTER_CODES = {
  tombstone: {
    meaning: 'The record has no value. These topics are histories: nothing in them can be unsaid.',
    remedy: 'Find out who sends tombstones; to delete a profile, send a ProfileChange with op DELETE.',
  },
  not_framed: {
    meaning:
      'The value is not in the Confluent wire format: a zero byte and a schema id before the Avro payload.',
    remedy: 'Let the producer use the Confluent Avro serializer.',
  },
  unknown_schema_id: {
    meaning: 'The schema registry says that it never gave out this schema id.',
    remedy:
      'Check that producer and pipelines use the same registry; register the schema, then produce the record again.',
  },
  schema_not_ours: {
    meaning: 'The schema that the value was written with cannot be read as the schema of the topic.',
    remedy:
      'Evolve the schema under the subject of the topic, which checks compatibility; produce the record again with a corrected schema id.',
  },
  avro_truncated: {
    meaning: 'The payload ends before the record does, or a length in it reaches beyond its end.',
    remedy: FIX_PRODUCER,
  },
  avro_bytes_left_over: {
    meaning:
      'Bytes are left over behind the record: it was most likely written with another schema than it names.',
    remedy: 'Produce the record again with the schema id that the value was really written with.',
  },
  avro_invalid: {
    meaning:
      'The payload is no Avro: a number too long, a negative length, or a symbol or branch that does not exist.',
    remedy: FIX_PRODUCER,
  },
  invalid_utf8: {
    meaning: 'A string is not UTF-8.',
    remedy: 'Let the producer encode text as UTF-8; Latin-1 is the usual culprit.',
  },
  field_null: {
    meaning: 'A field that must have a value is null.',
    remedy: FIX_PRODUCER,
  },
  empty_id: {
    meaning: 'An id (tenant, user, campaign, message, event or change) is empty or null.',
    remedy: FIX_PRODUCER,
  },
  id_too_long: {
    meaning: 'An id is longer than 1,024 bytes.',
    remedy: 'Use a shorter id, for example a hash of the long one.',
  },
  time_missing: {
    meaning: 'The time of the event or change is null.',
    remedy: FIX_PRODUCER,
  },
  time_too_early: {
    meaning:
      'The time is before validation.earliestEventTime: most often seconds where milliseconds belong, or zero.',
    remedy: 'Let the producer send milliseconds since 1970-01-01 UTC.',
  },
  time_too_late: {
    meaning:
      "The time is more than validation.maxFutureMs ahead of the record's own Kafka timestamp: most often microseconds, or a wrong clock.",
    remedy: 'Let the producer send milliseconds since 1970-01-01 UTC; check its clock.',
  },
  kafka_time_unusable: {
    meaning: 'The Kafka timestamp of the record is missing, negative or after the year 2199.',
    remedy: 'Let the topic use message.timestamp.type=LogAppendTime, as migrate sets it.',
  },
  op_unknown: {
    meaning: 'The op of a profile change is none of SNAPSHOT, PATCH and DELETE: it cannot be applied.',
    remedy: 'Correct the producer; where a newer release knows the op, upgrade and produce the record again.',
  },
  attributes_missing: {
    meaning: 'A SNAPSHOT or PATCH comes without attributes.',
    remedy: 'Send {} for a profile without attributes, and op DELETE for a profile that is gone.',
  },
  attributes_not_object: {
    meaning: 'The attributes of a profile change are not the text of one JSON object.',
    remedy: FIX_PRODUCER,
  },
  attributes_too_deep: {
    meaning: 'The attributes of a profile change are nested more than 100 deep.',
    remedy: 'Flatten the profile.',
  },
  clickhouse_rejected: {
    meaning: 'ClickHouse refused this very row for good, although the record looked well.',
    remedy:
      'Read the reason: a constraint or a changed column is the likely cause; put it right and produce the record again.',
  },
} as const satisfies Readonly<Record<string, DeadLetterCode>>;

export type DeadLetterCodeName = keyof typeof DEAD_LETTER_CODES;
