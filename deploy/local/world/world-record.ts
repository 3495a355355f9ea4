/** What the simulated world produces: values in the shape of the Avro schemas, in the order in which they reach Kafka. */

export type WorldTopic = 'definitions' | 'delivery' | 'feedback' | 'profiles';

export interface DefinitionValue {
  readonly tenant_id: string;
  readonly campaign_id: string;
  readonly name: string;
  readonly channel: string;
  readonly subject: string | null;
  readonly starts_at: number | null;
  readonly ends_at: number | null;
  readonly updated_at: number;
  readonly attributes: Readonly<Record<string, string>>;
}

interface EventValue {
  readonly event_id: string;
  readonly tenant_id: string;
  readonly campaign_id: string;
  readonly message_id: string;
  readonly user_id: string;
  readonly channel: string;
  readonly type: string;
  readonly occurred_at: number;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface DeliveryValue extends EventValue {
  readonly variant: string | null;
  readonly reason: string | null;
  readonly provider: string | null;
}

export interface FeedbackValue extends EventValue {
  readonly link: string | null;
  readonly user_agent: string | null;
  readonly is_machine: boolean;
  readonly value: number | null;
}

export interface ProfileValue {
  readonly change_id: string;
  readonly tenant_id: string;
  readonly user_id: string;
  readonly op: 'SNAPSHOT' | 'PATCH' | 'DELETE';
  readonly changed_at: number;
  readonly source_version: number | null;
  readonly attributes: string | null;
}

export type WorldValue =
  | { readonly topic: 'definitions'; readonly value: DefinitionValue }
  | { readonly topic: 'delivery'; readonly value: DeliveryValue }
  | { readonly topic: 'feedback'; readonly value: FeedbackValue }
  | { readonly topic: 'profiles'; readonly value: ProfileValue };

/** `sentAt` is when it reaches Kafka in the world's own time, milliseconds. A copy repeats an identity that went out before. */
export type WorldRecord = WorldValue & { readonly sentAt: number; readonly isCopy: boolean };

/** The Kafka message key of DESIGN's topics. */
export function keyOf({ topic, value }: WorldValue): string {
  return `${value.tenant_id}/${topic === 'definitions' ? value.campaign_id : value.user_id}`;
}
