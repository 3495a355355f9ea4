/** The parts of a connection string of Azure Storage, checked before anything is connected. */

/** What the SDK asks of one with the account's key, and of one with a SAS. */
const PARTS = {
  AccountKey: ['DefaultEndpointsProtocol', 'AccountName', 'AccountKey'],
  SharedAccessSignature: ['BlobEndpoint', 'SharedAccessSignature'],
} as const;

/** What is wrong with it, without a word of what stands in it; null when the SDK takes it. */
export function connectionStringFault(text: string): string | null {
  if (text.startsWith('UseDevelopmentStorage=true')) return null;
  const parts = new Map(text.split(';').map((part) => split(part.trim())));
  const kind = parts.has('AccountKey')
    ? 'AccountKey'
    : parts.has('SharedAccessSignature')
      ? 'SharedAccessSignature'
      : null;
  if (kind === null) {
    return 'is not a connection string of Azure Storage: it needs AccountName with AccountKey, or BlobEndpoint with SharedAccessSignature';
  }
  const lacking: string[] = PARTS[kind].filter((name) => !parts.get(name));
  if (kind === 'AccountKey' && !parts.get('BlobEndpoint') && !parts.get('EndpointSuffix')) {
    lacking.push('EndpointSuffix (or BlobEndpoint)');
  }
  if (lacking.length > 0) return `has ${kind}, but lacks ${lacking.join(' and ')}`;
  return malformed(parts);
}

function split(part: string): readonly [string, string] {
  const at = part.indexOf('=');
  return at < 0 ? [part, ''] : [part.slice(0, at), part.slice(at + 1)];
}

function malformed(parts: ReadonlyMap<string, string>): string | null {
  const {
    AccountKey: key,
    BlobEndpoint: endpoint,
    DefaultEndpointsProtocol: protocol,
  } = Object.fromEntries(parts);
  if (key !== undefined && !/^[A-Za-z0-9+/]+={0,2}$/.test(key)) return 'has an AccountKey that is not base64';
  if (key !== undefined && !/^https?$/i.test(protocol ?? '')) {
    return 'has a DefaultEndpointsProtocol that is neither https nor http';
  }
  return endpoint === undefined || /^https?:$/.test(URL.parse(endpoint)?.protocol ?? '')
    ? null
    : 'has a BlobEndpoint that is not an http or https URL';
}
