// Sends the receiver of spans an export without any: it accepts that if it would accept others.
import type { TracingConfig } from '../../config/observe-types.ts'
import { exchange } from '../../outbound/exchange.ts'
import type { Finding } from './finding.ts'

/** As the exporter waits for a response. */
const limits = { maxBytes: 1_000, timeoutMs: 10_000, isCut: true }

/** Nothing where spans are not recorded. */
export async function examineTracing({ endpoint, protocol, headers }: TracingConfig): Promise<Finding[]> {
  if (endpoint === undefined) return []
  const { origin, pathname } = new URL(endpoint)
  const subject = `receiver ${origin}`
  const isJson = protocol === 'http/json'
  // A message of protobuf without fields has no bytes.
  const body = isJson ? '{}' : ''
  const type = isJson ? 'application/json' : 'application/x-protobuf'
  const own = headers.map(([name, value]) => [name, typeof value === 'string' ? value : value.reveal()])
  const sent = { 'content-type': type, ...(Object.fromEntries(own) as Record<string, string>) }
  const outcome = await exchange(new URL(endpoint), { method: 'POST', headers: sent, body }, limits)
  if ('fault' in outcome) {
    const fix = 'start the receiver, or correct tracing.endpoint; calls go on without it'
    return [{ subject, state: 'warn', detail: `${pathname}: ${outcome.fault}`, fix }]
  }
  const { status } = outcome
  if (status >= 200 && status < 300) {
    return [{ subject, state: 'ok', detail: `accepts ${protocol} at ${pathname}` }]
  }
  return [{ subject, state: 'warn', detail: `${pathname} answers ${status}`, fix: fixFor(status, isJson) }]
}

function fixFor(status: number, isJson: boolean): string {
  if (status === 401 || status === 403) return 'correct the key in tracing.headers'
  if (status === 404 || status === 405) return 'correct the path of tracing.endpoint'
  if (status === 415) return `set tracing.protocol to ${isJson ? 'http/protobuf' : 'http/json'}`
  return "see the receiver's log"
}
