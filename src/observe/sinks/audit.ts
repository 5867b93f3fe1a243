// Which events are security events, and what the audit log has of them. Refusals of a client are recorded at once, then
// counted for a minute: a client that is refused again and again adds a line a minute.
import type { SetTimer } from '../../platform/clock.ts'
import type { AuditAttributes, AuditEvent } from '../audit/chain.ts'
import type { GatewayEvent, Sink } from '../events.ts'

export interface AuditSinkParts {
  readonly add: (event: AuditEvent) => void
  /** The number that stands for a client's name. */
  readonly numberOf: (name: string) => number
  /** SHA-256 of a file in hexadecimal; undefined if it cannot be read. */
  readonly digestOf: (path: string) => string | undefined
  readonly setTimer: SetTimer
}

interface Repeats {
  readonly name: string
  readonly attributes: AuditAttributes
  count: number
}

type BudgetEvent = GatewayEvent & {
  readonly kind: 'budget_exhausted' | 'budget_nearly_spent' | 'budget_window_begun'
}

const countMs = 60_000
/**
 * Clients and codes that are counted apart; more are counted together. Each makes a line at once and one at the end of its
 * minute, with those of the others 60 in any minute.
 */
const maxCounted = 29

/** Codes of calls that a rule of security has refused; others are the weather of a day. */
const refusedCalls: ReadonlySet<string> = new Set([
  'budget_exceeded',
  'budget_state_lost',
  'management_not_allowed',
  'model_not_allowed',
  'outside_boundary',
  'price_unknown',
  'rate_limit_exceeded',
])

const recordedKinds = [
  'budget_events_unlogged',
  'budget_exhausted',
  'budget_nearly_spent',
  'budget_window_begun',
  'call_cancelled',
  'clock_jumped',
  'identity_keys_failed',
  'identity_keys_loaded',
  'identity_keys_refused',
  'keys_loaded',
  'keys_missing',
  'keys_not_accepted',
  'keys_pulled',
  'keys_refused',
  'listening',
  'peer_users_unreadable',
  'refused',
  'reload_refused',
  'reloaded',
  'service_commanded',
  'stopped',
] as const satisfies readonly GatewayEvent['kind'][]

/** By its type, `auditSink` has a line for each of these kinds and for no other. */
type SecurityEvent = Extract<GatewayEvent, { readonly kind: 'call_ended' | (typeof recordedKinds)[number] }>

const recorded: ReadonlySet<GatewayEvent['kind']> = new Set(recordedKinds)

/** Whether the audit log has a line of an event, or counts it in one. */
export function isSecurityEvent(event: GatewayEvent): event is SecurityEvent {
  return event.kind === 'call_ended' ? refusedCalls.has(event.call.event) : recorded.has(event.kind)
}

/** Whether an event of a worker thread is for the audit log. */
export function isAudited(event: GatewayEvent): boolean {
  const { kind } = event
  return (
    kind === 'refused' ||
    kind === 'call_cancelled' ||
    (event.kind === 'call_ended' && refusedCalls.has(event.call.event))
  )
}

export function auditSink({ add, numberOf, digestOf, setTimer }: AuditSinkParts): Sink {
  /** Of this minute, by client and code. */
  const repeats = new Map<string, Repeats>()
  let isCounting = false

  const record = (
    name: string,
    attributes: AuditAttributes,
    { outcome = 'success', severity = 'info' }: Partial<Pick<AuditEvent, 'outcome' | 'severity'>> = {},
  ) => add({ name: `llm_gateway.${name}`, severity, outcome, attributes })

  const refuse = (client: string, code: string, count: number) => {
    const isLimit = code === 'rate_limit_exceeded'
    const name = isLimit ? 'limit.hit' : 'request.refused'
    const isFull = repeats.size >= maxCounted && !repeats.has(`${client} ${code}`)
    const key = isFull ? 'others' : `${client} ${code}`
    const known = repeats.get(key)
    if (known !== undefined) {
      known.count += count
      return
    }
    const attributes = isFull ? { code: 'others' } : { client: numberOf(client), code }
    repeats.set(key, { name, attributes, count: count - 1 })
    record(name, attributes, { outcome: 'failure', severity: 'warn' })
    if (isCounting) return
    isCounting = true
    setTimer(report, countMs)
  }

  const report = () => {
    isCounting = false
    for (const { name, attributes, count } of repeats.values()) {
      if (count > 0)
        record(name, { ...attributes, repeated: count }, { outcome: 'failure', severity: 'warn' })
    }
    repeats.clear()
  }

  const budgetOf = ({ scope, budget, spent, resets_at }: BudgetEvent): AuditAttributes => {
    const [kind, id = ''] = scope.split(/:(.*)/s)
    // A client's name may be a person's; the id of a key is not.
    const of = kind === 'client' ? { client: numberOf(id) } : { scope }
    return { ...of, budget, spent, ...(resets_at !== undefined && { resets_at }) }
  }

  const configOf = (path: string): AuditAttributes => ({ 'config.sha256': digestOf(path) ?? 'unreadable' })

  return {
    name: 'audit',
    wants: (kind) => kind === 'call_ended' || recorded.has(kind),
    receive(event: GatewayEvent) {
      if (!isSecurityEvent(event)) return
      if (event.kind === 'call_ended') {
        const { event: code, client } = event.call
        refuse(client, code, 1)
      } else if (event.kind === 'refused') {
        if (event.has_left !== true) refuse(event.client, event.code, 1 + (event.unlogged ?? 0))
      } else if (event.kind === 'listening') {
        record('gateway.started', { ...configOf(event.config), addresses: event.addresses })
      } else if (event.kind === 'reloaded') {
        record('config.reloaded', { ...configOf(event.config), needs_restart: event.needs_restart })
      } else if (event.kind === 'reload_refused') {
        const attributes = { ...configOf(event.config), problems: event.problems.length }
        record('config.refused', attributes, { outcome: 'failure', severity: 'error' })
      } else if (event.kind === 'keys_loaded') {
        record('keys.loaded', { generation: event.generation, keys: event.keys })
      } else if (event.kind === 'keys_refused') {
        const attributes = { faults: event.faults.length + event.unshown }
        record('keys.refused', attributes, { outcome: 'failure', severity: 'error' })
      } else if (event.kind === 'keys_pulled') {
        const { generation, keys, publisher, source } = event
        record('keys.pulled', { generation, keys, publisher, source })
      } else if (event.kind === 'keys_not_accepted') {
        const attributes = { generation: event.generation }
        record('keys.not_accepted', attributes, { outcome: 'failure', severity: 'error' })
      } else if (event.kind === 'keys_missing') {
        record('keys.missing', {}, { outcome: 'failure', severity: 'error' })
      } else if (event.kind === 'budget_exhausted' || event.kind === 'budget_nearly_spent') {
        record(event.kind.replace('_', '.'), budgetOf(event), { severity: 'warn' })
      } else if (event.kind === 'budget_window_begun') {
        record('budget.window_begun', budgetOf(event))
      } else if (event.kind === 'budget_events_unlogged') {
        record('budget.events_unlogged', { count: event.count }, { severity: 'warn' })
      } else if (event.kind === 'call_cancelled') {
        const [client, actor] = [numberOf(event.client), numberOf(event.by)]
        record('call.cancelled', { 'request.id': event.request_id, client, actor })
      } else if (event.kind === 'service_commanded') {
        const { provider, unit, verb, by } = event
        record(`service.${verb}_requested`, { provider, unit, actor: numberOf(by) })
      } else if (event.kind === 'clock_jumped') {
        record('clock.jumped', { forward_ms: event.forward_ms }, { severity: 'warn' })
      } else if (event.kind === 'identity_keys_loaded') {
        record('identity.keys_loaded', { url: event.url, keys: event.keys })
      } else if (event.kind === 'identity_keys_failed') {
        const attributes = { url: event.url, usable: event.usable_until !== undefined }
        record('identity.keys_failed', attributes, { outcome: 'failure', severity: 'warn' })
      } else if (event.kind === 'identity_keys_refused') {
        record('identity.keys_refused', {}, { outcome: 'failure', severity: 'error' })
      } else if (event.kind === 'peer_users_unreadable') {
        record('peers.unreadable', {}, { outcome: 'failure', severity: 'error' })
      } else if (event.kind === 'stopped') {
        report()
        record('gateway.stopped', {})
      } else {
        event.kind satisfies never
      }
    },
  }
}
