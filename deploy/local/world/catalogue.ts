/** The two companies of the example world and the campaigns that they run in its sixty days. */

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export type WorldChannel = 'EMAIL' | 'SMS' | 'PUSH' | 'WEB' | 'IN_APP' | 'SOCIAL';

export interface WorldCampaign {
  readonly tenantId: string;
  readonly campaignId: string;
  readonly name: string;
  readonly channel: WorldChannel;
  readonly subject: string | null;
  /** Days after the world's first. */
  readonly startDay: number;
  readonly sendDays: number;
  /** How often each of the audience gets a message, spread evenly over the send days. */
  readonly rounds: number;
  /** The share of the tenant's users that it is sent to. */
  readonly audience: number;
  readonly links: readonly [string, ...string[]];
}

/** How people on a channel react, as shares of the messages that arrived, and after how long (median). */
export interface ChannelHabits {
  readonly bounced: number;
  readonly deferred: number;
  readonly dropped: number;
  readonly reportsDelivery: boolean;
  readonly opened: number;
  readonly openDelay: number;
  readonly machineOpened: number;
  readonly clickedOfOpened: number;
  readonly unsubscribed: number;
  readonly complained: number;
}

export const habits: Readonly<Record<WorldChannel, ChannelHabits>> = {
  EMAIL: {
    bounced: 0.022,
    deferred: 0.03,
    dropped: 0.006,
    reportsDelivery: true,
    opened: 0.34,
    openDelay: 3 * HOUR,
    machineOpened: 0.3,
    clickedOfOpened: 0.2,
    unsubscribed: 0.004,
    complained: 0.0008,
  },
  SMS: {
    bounced: 0.035,
    deferred: 0.01,
    dropped: 0.004,
    reportsDelivery: true,
    opened: 0,
    openDelay: 0,
    machineOpened: 0,
    clickedOfOpened: 0,
    unsubscribed: 0.008,
    complained: 0.0002,
  },
  PUSH: {
    bounced: 0.06,
    deferred: 0,
    dropped: 0.01,
    reportsDelivery: true,
    opened: 0.09,
    openDelay: 20 * MINUTE,
    machineOpened: 0,
    clickedOfOpened: 0.5,
    unsubscribed: 0.006,
    complained: 0,
  },
  WEB: {
    bounced: 0,
    deferred: 0,
    dropped: 0.02,
    reportsDelivery: true,
    opened: 0.4,
    openDelay: 2 * MINUTE,
    machineOpened: 0.02,
    clickedOfOpened: 0.12,
    unsubscribed: 0,
    complained: 0,
  },
  IN_APP: {
    bounced: 0,
    deferred: 0,
    dropped: 0.01,
    reportsDelivery: true,
    opened: 0.55,
    openDelay: 9 * HOUR,
    machineOpened: 0,
    clickedOfOpened: 0.18,
    unsubscribed: 0.001,
    complained: 0,
  },
  SOCIAL: {
    bounced: 0.01,
    deferred: 0,
    dropped: 0.03,
    reportsDelivery: false,
    opened: 0.18,
    openDelay: 12 * HOUR,
    machineOpened: 0,
    clickedOfOpened: 0.15,
    unsubscribed: 0.002,
    complained: 0.001,
  },
};

export const tenants = ['aurora-shop', 'meridian-bank'] as const;

function campaign(
  tenantId: (typeof tenants)[number],
  campaignId: string,
  rest: Omit<WorldCampaign, 'tenantId' | 'campaignId' | 'links'>,
): WorldCampaign {
  const site = `https://www.${tenantId}.example/${campaignId}`;
  return { tenantId, campaignId, ...rest, links: [site, `${site}/details`, `${site}/preferences`] };
}

export const campaigns: readonly WorldCampaign[] = [
  campaign('aurora-shop', 'welcome', {
    name: 'Welcome series',
    channel: 'EMAIL',
    subject: 'Nice to meet you',
    startDay: 0,
    sendDays: 56,
    rounds: 2,
    audience: 0.95,
  }),
  campaign('aurora-shop', 'summer-sale', {
    name: 'Summer sale ☀️',
    channel: 'EMAIL',
    subject: 'Up to 40 % off, this week only',
    startDay: 9,
    sendDays: 2,
    rounds: 2,
    audience: 0.9,
  }),
  campaign('aurora-shop', 'cart-reminder', {
    name: 'Cart reminder',
    channel: 'PUSH',
    subject: 'Still thinking about it?',
    startDay: 4,
    sendDays: 50,
    rounds: 3,
    audience: 0.6,
  }),
  campaign('aurora-shop', 'restock-sms', {
    name: 'Back in stock',
    channel: 'SMS',
    subject: null,
    startDay: 22,
    sendDays: 3,
    rounds: 1,
    audience: 0.5,
  }),
  campaign('aurora-shop', 'loyalty-tier', {
    name: 'Your loyalty tier',
    channel: 'IN_APP',
    subject: 'You have reached a new tier',
    startDay: 30,
    sendDays: 20,
    rounds: 2,
    audience: 0.7,
  }),
  campaign('aurora-shop', 'autumn-look', {
    name: 'Autumn lookbook',
    channel: 'EMAIL',
    subject: 'The colours of autumn',
    startDay: 47,
    sendDays: 2,
    rounds: 2,
    audience: 0.85,
  }),
  campaign('meridian-bank', 'statement', {
    name: 'Monthly statement',
    channel: 'EMAIL',
    subject: 'Your statement is ready',
    startDay: 1,
    sendDays: 3,
    rounds: 2,
    audience: 0.97,
  }),
  campaign('meridian-bank', 'card-upgrade', {
    name: 'Card upgrade',
    channel: 'EMAIL',
    subject: 'A card that fits you better',
    startDay: 14,
    sendDays: 4,
    rounds: 2,
    audience: 0.75,
  }),
  campaign('meridian-bank', 'fraud-awareness', {
    name: 'Fraud awareness',
    channel: 'WEB',
    subject: 'Three calls we never make',
    startDay: 20,
    sendDays: 25,
    rounds: 1,
    audience: 0.65,
  }),
  campaign('meridian-bank', 'payment-due', {
    name: 'Payment due',
    channel: 'SMS',
    subject: null,
    startDay: 27,
    sendDays: 4,
    rounds: 2,
    audience: 0.6,
  }),
  campaign('meridian-bank', 'savings-week', {
    name: 'Savings week',
    channel: 'SOCIAL',
    subject: 'Small steps, real interest',
    startDay: 38,
    sendDays: 7,
    rounds: 2,
    audience: 0.45,
  }),
  campaign('meridian-bank', 'app-launch', {
    name: 'ميريديان — the new app',
    channel: 'PUSH',
    subject: 'Your bank, in your pocket',
    startDay: 50,
    sendDays: 5,
    rounds: 2,
    audience: 0.8,
  }),
];
