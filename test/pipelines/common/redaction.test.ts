import { describe, expect, test } from 'vitest';
import { withoutLogins, withoutSignatures } from '../../../pipelines/common/redaction.ts';

describe('withoutSignatures', () => {
  test.each([
    ['GET https://u:a/b@x:1/p failed', 'GET https://[secret]@x:1/p failed'],
    ['GET https://:pass@x failed', 'GET https://[secret]@x failed'],
    ['GET https://token@x failed', 'GET https://[secret]@x failed'],
    ['?sv=1&sig=abc%3D&se=2', '?sv=1&sig=[secret]&se=2'],
    ['sig=abc', 'sig=[secret]'],
    [
      'BlobEndpoint=https://a;SharedAccessSignature=sv=1&sig=abc',
      'BlobEndpoint=https://a;SharedAccessSignature=[secret]',
    ],
    ['AccountName=a;AccountKey=abc==;X=1', 'AccountName=a;AccountKey=[secret];X=1'],
  ])('%s', (text, expected) => {
    expect(withoutSignatures(text)).toBe(expected);
  });

  test.each([
    'at send (file:///opt/app/node_modules/@azure/storage-blob/dist/index.js:1:2)',
    'at send (/opt/app/node_modules/@azure/storage-blob/dist/index.js:1:2)',
    'GET https://registry.example.net/subjects failed; mail ops@example.net',
    'the design=1 of AccountName=a',
  ])('leaves %s', (text) => {
    expect(withoutSignatures(text)).toBe(text);
  });
});

describe('withoutLogins', () => {
  test.each([
    ['user:pass@host:9092', '[secret]@host:9092'],
    ['https://u:p@ss w/rd@x/y', 'https://[secret]@x/y'],
    ['https://u:p@ss w?rd@x/y', 'https://[secret]'],
    ['https://x:8123?password=abc', 'https://x:8123?[secret]'],
    ['loud', 'loud'],
    ['ftp://x/y', 'ftp://x/y'],
  ])('%s', (value, expected) => {
    expect(withoutLogins(value)).toBe(expected);
  });
});
