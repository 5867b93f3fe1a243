// The headers that a format carries between its clients and providers that support it. A translated call has none: they
// belong to a format that the other end does not speak.
import { holdsKey } from '../clients/keys/key-format.ts'
import type { ProviderTraits } from '../config/provider-types.ts'
import type { ClientDialect } from '../dialects/dialect.ts'
import type { ResponseHead } from '../domain.ts'
import { isSecretName } from '../http/secret-names.ts'
import type { CallTrace, TraceReceiver } from '../observe/events/trace.ts'
import type { Call } from './call.ts'

const nothing: readonly string[] = []

/** Of a client's request, for a provider: names in lower case and values in turn. */
export function carriedRequestHeaders(
  { dialect, rawHeaders }: Pick<Call, 'rawHeaders'> & { readonly dialect: RequestCarrier },
  traits: ProviderTraits,
): readonly string[] {
  const { carriesRequestHeader } = dialect
  if (carriesRequestHeader === undefined) return nothing
  let carried: string[] | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!
    if (!carriesRequestHeader(name, traits) || isSecretName(name)) continue
    const value = rawHeaders[index + 1]!
    if (holdsKey(value)) continue
    carried ??= []
    carried.push(name.toLowerCase(), value)
  }
  return carried === undefined ? nothing : withoutOwnOfConnection(carried, rawHeaders)
}

/** What a provider learns of the call's trace: names in lower case and values in turn. */
function traceHeaders(trace: CallTrace | undefined, provider: TraceReceiver): readonly string[] {
  const headers = trace?.headersFor(provider) ?? nothing
  // Its state is the client's text.
  return headers.some(holdsKey) ? headers.slice(0, 2) : headers
}

/** @param headers names and values in turn. */
export function withTrace(
  headers: readonly string[],
  trace: CallTrace | undefined,
  provider: TraceReceiver,
): readonly string[] {
  const ofTrace = traceHeaders(trace, provider)
  return ofTrace.length === 0 ? headers : [...headers, ...ofTrace]
}

type RequestCarrier = Pick<ClientDialect, 'carriesRequestHeader'>

/** Headers that `Connection` names are for the next hop only (RFC 9110 §7.6.1). */
function withoutOwnOfConnection(carried: string[], rawHeaders: readonly string[]): string[] {
  const named = new Set<string>()
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]!.toLowerCase() !== 'connection') continue
    for (const name of rawHeaders[index + 1]!.split(',')) named.add(name.trim().toLowerCase())
  }
  return carried.filter((_, index) => !named.has(carried[index - (index % 2)]!))
}

/**
 * Sets the headers of a provider's response that go to the client, without the provider's key. What the gateway says of its
 * own limits stays.
 */
export function carryResponseHeaders(
  { dialect, reply }: Pick<Call, 'dialect' | 'reply'>,
  { headers }: ResponseHead,
  mask: (value: string) => string,
): void {
  const { carriesResponseHeader, requestIdHeader } = dialect
  if (carriesResponseHeader === undefined) return
  for (const name in headers) {
    const value = headers[name]
    if (value === undefined || !carriesResponseHeader(name)) continue
    const text = mask(typeof value === 'string' ? value : (value[0] ?? ''))
    if (name === requestIdHeader) reply.set(name, text)
    else reply.setMissing(name, text)
  }
}
