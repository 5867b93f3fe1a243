// Names of parameters and headers that carry a client's key. It stays at the gateway.

/** The last word of such a name, as in `x-api-key`. */
const secretWords: ReadonlySet<string> = new Set([
  'accesstoken',
  'apikey',
  'auth',
  'authorization',
  'bearer',
  'clientsecret',
  'cookie',
  'credential',
  'jwt',
  'key',
  'password',
  'secret',
  'sig',
  'signature',
  'subscriptionkey',
  'token',
])

/** Whether the last word of a name, in whatever case, is one for a key. */
export function isSecretName(name: string): boolean {
  const words = name.toLowerCase().match(/[a-z\d]+/g)
  return secretWords.has(words?.at(-1) ?? '')
}
