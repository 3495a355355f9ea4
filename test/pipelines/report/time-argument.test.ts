import { expect, test } from 'vitest';
import { parseDayArgument, parseTimeArgument } from '../../../pipelines/report/time-argument.ts';

test.each([
  ['2026-08-01', '2026-08-01T00:00:00.000Z'],
  ['2026-08-01T09:30Z', '2026-08-01T09:30:00.000Z'],
  ['2026-08-01T09:30:15.25+02:00', '2026-08-01T07:30:15.250Z'],
  ['2024-02-29', '2024-02-29T00:00:00.000Z'],
])('%s is %s, in whatever zone the machine is', (text, expected) => {
  expect(new Date(parseTimeArgument('--from', text)).toISOString()).toBe(expected);
});

test.each([
  '2026-08-01T09:30:00',
  '01.08.2026',
  'yesterday',
  '',
  '1754000000',
  '2026-02-30',
  '2026-13-01',
  '2026-08-01T25:00Z',
])('"%s" is refused with the option and what to type instead', (text) => {
  expect(() => parseTimeArgument('--from', text)).toThrow(/^--from: ".*" is not/);
});

test('a day alone is its first instant in UTC', () => {
  expect(new Date(parseDayArgument('--until', '2024-02-29')).toISOString()).toBe('2024-02-29T00:00:00.000Z');
});

test.each(['2026-02-31', '2026-02-29', '2026-13-01', '2026-08-01T09:30Z', '', 'today'])(
  '"%s" is no day, and is refused with the option',
  (text) => {
    expect(() => parseDayArgument('--until', text)).toThrow(/^--until: ".*" is not a (day|date)/);
  },
);
