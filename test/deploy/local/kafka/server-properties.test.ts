import { describe, expect, it } from 'vitest';
import { formatProperties, serverProperties } from '../../../../deploy/local/kafka/server-properties.ts';

const place = { logDir: '/data/log', port: 20_001, controllerPort: 20_002 };

describe('serverProperties', () => {
  it('listens on this machine alone', () => {
    const properties = serverProperties(place);
    const listeners = String(properties.listeners).split(',');
    expect(listeners.map((listener) => new URL(listener.replace(/^\w+:/, 'tcp:')).hostname)).toEqual([
      '127.0.0.1',
      '127.0.0.1',
    ]);
    expect(properties['advertised.listeners']).toBe('PLAINTEXT://127.0.0.1:20001');
  });

  it('takes what it is given over its own', () => {
    const properties = serverProperties({ ...place, properties: { 'message.max.bytes': 7, 'x.y': true } });
    expect(properties).toMatchObject({ 'message.max.bytes': 7, 'x.y': true });
  });
});

describe('formatProperties', () => {
  it('doubles the backslash, which the format would swallow', () => {
    expect(formatProperties({ 'log.dirs': 'C:\\data', n: 1 })).toBe('log.dirs=C:\\\\data\nn=1\n');
  });

  it('spells in ASCII what Java would read as ISO-8859-1, by UTF-16 unit', () => {
    expect(formatProperties({ 'log.dirs': '/caffé/ü 日/😀' })).toBe(
      'log.dirs=/caff\\u00e9/\\u00fc \\u65e5/\\ud83d\\ude00\n',
    );
  });
});
