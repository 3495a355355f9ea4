import { BlobServiceClient } from '@azure/storage-blob';
import { describe, expect, test } from 'vitest';
import { connectionStringFault } from '../../config/connection-string.ts';
import { faultsOf } from '../helpers/config.ts';

function isTakenBySdk(text: string): boolean {
  try {
    BlobServiceClient.fromConnectionString(text);
    return true;
  } catch {
    return false;
  }
}

describe('what the SDK takes', () => {
  test.each([
    'UseDevelopmentStorage=true',
    'DefaultEndpointsProtocol=https;AccountName=a;AccountKey=a2V5;EndpointSuffix=core.windows.net',
    'DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:1/a;',
    'BlobEndpoint=https://a.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=abc%3D',
    'SharedAccessSignature=?sv=1&sig=abc%3D;BlobEndpoint=https://a.blob.core.windows.net',
  ])('%s', (text) => {
    expect(isTakenBySdk(text)).toBe(true);
    expect(connectionStringFault(text)).toBeNull();
  });
});

describe('what it refuses', () => {
  test.each([
    ['garbage', /^is not a connection string of Azure Storage: it needs AccountName with AccountKey, or /],
    ['AccountName=a', /^is not a connection string/],
    ['AccountName=a;AccountKey=TOPSECRET', /lacks DefaultEndpointsProtocol and EndpointSuffix \(or BlobEnd/],
    ['DefaultEndpointsProtocol=https;AccountKey=TOPSECRET;EndpointSuffix=x.net', /lacks AccountName$/],
    ['DefaultEndpointsProtocol=https;AccountName=a;AccountKey=TOPSECRET', /lacks EndpointSuffix \(or Blob/],
    ['DefaultEndpointsProtocol=https;AccountName=a;AccountKey=;EndpointSuffix=x.net', /lacks AccountKey$/],
    [
      'DefaultEndpointsProtocol=ftp;AccountName=a;AccountKey=TOPSECRET;EndpointSuffix=x.net',
      /DefaultEndpointsProtocol that is neither https nor http$/,
    ],
    ['SharedAccessSignature=sv=1&sig=TOPSECRET', /lacks BlobEndpoint$/],
    ['BlobEndpoint=https://a.example.net;SharedAccessSignature=', /lacks SharedAccessSignature$/],
  ])('%s', async (text, expected) => {
    expect(isTakenBySdk(text)).toBe(false);
    expect(connectionStringFault(text)).toMatch(expected);
    const faults = await faultsOf({ blob: { connectionString: text } });
    expect(faults).toEqual([`blob.connectionString: ${connectionStringFault(text)}`]);
    expect(faults.join()).not.toContain('TOPSECRET');
  });

  test('and what it takes, only to fail at the first request', () => {
    const account = 'DefaultEndpointsProtocol=https;AccountName=a;EndpointSuffix=x.net';
    expect(connectionStringFault(`${account};AccountKey=not base64!`)).toBe(
      'has an AccountKey that is not base64',
    );
    expect(connectionStringFault('BlobEndpoint=a.example.net;SharedAccessSignature=sv=1&sig=a')).toBe(
      'has a BlobEndpoint that is not an http or https URL',
    );
  });
});
