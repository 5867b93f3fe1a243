// Which stored secrets a configuration refers to, also one that has problems.
import { membersOf } from '../bytes/json/parse.ts'
import { pseudonymKeyName } from './generated-secrets.ts'
import type { RawSecret } from './raw.ts'

/** The key of the pseudonyms, which a configuration refers to by having them. */
export const pseudonymKeyReference: RawSecret = { secret: pseudonymKeyName }

/** As whom `storedReferences` names the store that machines share, whose URL is read at the start alone. */
export const storeSection = 'rate_limit_settings.store'

/** Whether a document has pseudonyms in the place of clients' names. */
export function hasPseudonyms(document: unknown): boolean {
  return membersOf(membersOf(document)['usage'])['client_names'] === 'pseudonym'
}

/** The name of each stored secret that a document refers to; what has another shape is left out. */
export function* storedNames(document: unknown): Generator<string> {
  for (const { secret } of storedReferences(document)) yield secret
  if (hasPseudonyms(document)) yield pseudonymKeyName
}

/** Each reference to a stored secret, with its provider, or the section or place that uses it. */
export function* storedReferences(document: unknown): Generator<{ provider: string; secret: string }> {
  for (const [provider, value] of Object.entries(membersOf(membersOf(document)['providers']))) {
    const { api_key: key, headers } = membersOf(value)
    for (const reference of [key, ...Object.values(membersOf(headers))]) {
      const { secret } = membersOf(reference)
      if (typeof secret === 'string') yield { provider, secret }
    }
  }
  const { headers } = membersOf(membersOf(document)['tracing'])
  for (const reference of Object.values(membersOf(headers))) {
    const { secret } = membersOf(reference)
    if (typeof secret === 'string') yield { provider: 'tracing.headers', secret }
  }
  const { secret: url } = membersOf(storeOf(document)['url'])
  if (typeof url === 'string') yield { provider: storeSection, secret: url }
  const { sinks, heartbeat } = membersOf(membersOf(document)['notify'])
  const senders = [...Object.entries(membersOf(sinks)), ['heartbeat', heartbeat] as const]
  for (const [name, sender] of senders) {
    const { url, token, routing_key: routingKey } = membersOf(sender)
    for (const reference of [url, token, routingKey]) {
      const { secret } = membersOf(reference)
      if (typeof secret === 'string') yield { provider: `notify.${name}`, secret }
    }
  }
}

/** The stored secret with which commands sign the keys of clients, which the gateway has no use for. */
export function storedSigningKey(document: unknown): string | undefined {
  const { secret } = membersOf(storeOf(document)['sign_keys_with'])
  return typeof secret === 'string' ? secret : undefined
}

/** The credential of the service that has the URL of the store. */
export function storeCredential(document: unknown): string | undefined {
  const { credential } = membersOf(storeOf(document)['url'])
  return typeof credential === 'string' ? credential : undefined
}

function storeOf(document: unknown): Readonly<Record<string, unknown>> {
  return membersOf(membersOf(membersOf(document)['rate_limit_settings'])['store'])
}
