// Events as the sinks receive them where clients have pseudonyms: neither members nor messages name a client.
import type { Pseudonyms } from '../vault/pseudonyms.ts'
import type { GatewayEvent } from './events.ts'
import type { CallFacts } from './events/calls.ts'

/** Undefined: events stay as they are. */
export function namingBy(
  pseudonyms: Pseudonyms | undefined,
): ((event: GatewayEvent) => GatewayEvent) | undefined {
  if (pseudonyms === undefined) return undefined
  return (event) => {
    if (event.kind === 'call_ended') return { ...event, call: named(event.call, pseudonyms) }
    if (event.kind === 'call_cancelled') {
      return { ...event, client: pseudonyms.of(event.client), by: pseudonyms.of(event.by) }
    }
    if (event.kind === 'service_commanded') return { ...event, by: pseudonyms.of(event.by) }
    // Texts of the key file may be names; the places of the faults remain.
    if (event.kind === 'keys_refused') return { ...event, faults: event.faults.map(withoutQuotes) }
    if ('scope' in event) {
      const { scope, of } = event
      return { ...event, of: scope.startsWith('key:') ? pseudonyms.ofKey(of) : pseudonyms.of(of) }
    }
    if (event.kind !== 'refused') return event
    const { client, reason } = event
    return { ...event, client: pseudonyms.of(client), reason: pseudonyms.inText(reason, [client]) }
  }
}

function withoutQuotes(text: string): string {
  return text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '"…"')
}

function named(call: CallFacts, pseudonyms: Pseudonyms): CallFacts {
  const { client, key, via, reason } = call
  const ids = [client, via, key === undefined ? undefined : `key:${key}`].filter((id) => id !== undefined)
  return {
    ...call,
    client: pseudonyms.of(client),
    via: via && pseudonyms.of(via),
    key: key && pseudonyms.ofKey(key),
    reason: reason && pseudonyms.inText(reason, ids),
  }
}
