/** The generator's own books: what it sent, so that a reconciliation need not ask the pipelines. */
import type { WorldRecord, WorldTopic } from './world-record.ts';

export interface TopicBooks {
  /** Records acknowledged by Kafka. */
  records: number;
  /** Good values with an identity of their own. */
  distinct: number;
  /** Good values that repeat an identity. */
  copies: number;
  malformed: number;
}

/** Results of one campaign, counted over distinct events: messages by their ids, people by theirs. */
export interface CampaignBooks {
  readonly sent: Set<string>;
  readonly delivered: Set<string>;
  readonly bounced: Set<string>;
  /** People, not messages. */
  readonly openers: Set<string>;
  readonly clickers: Set<string>;
  readonly unsubscribers: Set<string>;
  readonly complainers: Set<string>;
  opens: number;
  machineOpens: number;
  clicks: number;
  conversions: number;
}

function noCampaign(): CampaignBooks {
  return {
    sent: new Set(),
    delivered: new Set(),
    bounced: new Set(),
    openers: new Set(),
    clickers: new Set(),
    unsubscribers: new Set(),
    complainers: new Set(),
    opens: 0,
    machineOpens: 0,
    clicks: 0,
    conversions: 0,
  };
}

export class WorldLedger {
  readonly topics: Record<WorldTopic, TopicBooks> = {
    definitions: { records: 0, distinct: 0, copies: 0, malformed: 0 },
    delivery: { records: 0, distinct: 0, copies: 0, malformed: 0 },
    feedback: { records: 0, distinct: 0, copies: 0, malformed: 0 },
    profiles: { records: 0, distinct: 0, copies: 0, malformed: 0 },
  };
  /** By `<tenant>/<campaign>`. */
  readonly campaigns = new Map<string, CampaignBooks>();
  /** Profile changes that came in behind one with a later changed_at, by `<tenant>/<user>`. */
  readonly lateProfiles = new Map<string, number>();
  readonly #newestChange = new Map<string, number>();

  malformed(topic: WorldTopic): void {
    this.topics[topic].records += 1;
    this.topics[topic].malformed += 1;
  }

  add(record: WorldRecord): void {
    const books = this.topics[record.topic];
    books.records += 1;
    if (record.isCopy) {
      books.copies += 1;
      return;
    }
    books.distinct += 1;
    if (record.topic === 'profiles') this.#addProfile(record.value);
    if (record.topic === 'delivery' || record.topic === 'feedback') this.#addEvent(record);
  }

  #addProfile(change: { tenant_id: string; user_id: string; changed_at: number }): void {
    const user = `${change.tenant_id}/${change.user_id}`;
    const newest = this.#newestChange.get(user) ?? Number.NEGATIVE_INFINITY;
    if (change.changed_at < newest) this.lateProfiles.set(user, (this.lateProfiles.get(user) ?? 0) + 1);
    else this.#newestChange.set(user, change.changed_at);
  }

  #addEvent({ value }: Extract<WorldRecord, { topic: 'delivery' | 'feedback' }>): void {
    const key = `${value.tenant_id}/${value.campaign_id}`;
    let books = this.campaigns.get(key);
    if (books === undefined) {
      books = noCampaign();
      this.campaigns.set(key, books);
    }
    const isMachine = 'is_machine' in value && value.is_machine;
    switch (value.type) {
      case 'SENT':
        books.sent.add(value.message_id);
        break;
      case 'DELIVERED':
        books.delivered.add(value.message_id);
        break;
      case 'BOUNCED':
        books.bounced.add(value.message_id);
        break;
      case 'OPENED':
        if (isMachine) books.machineOpens += 1;
        else {
          books.opens += 1;
          books.openers.add(value.user_id);
        }
        break;
      case 'CLICKED':
        if (!isMachine) {
          books.clicks += 1;
          books.clickers.add(value.user_id);
        }
        break;
      case 'CONVERTED':
        books.conversions += 1;
        break;
      case 'UNSUBSCRIBED':
        books.unsubscribers.add(value.user_id);
        break;
      case 'COMPLAINED':
        books.complainers.add(value.user_id);
        break;
    }
  }
}
