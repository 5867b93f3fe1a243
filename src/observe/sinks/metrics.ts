// Events as counts. A call finds the cells of its model and provider by two look-ups; nothing here throws or waits.
import type { GatewayEvent, Sink } from '../events.ts'
import type { AttemptEnded } from '../events/calls.ts'
import { CallCounts, type CallCountsOptions } from '../metrics/call-counts.ts'
import type { SeriesWriter } from '../metrics/counters.ts'
import type { FamilyName } from '../metrics/families.ts'
import { ServiceCounts } from '../metrics/service-counts.ts'

export function metricsSink(writer: SeriesWriter, options: CallCountsOptions): Sink {
  const calls = new CallCounts(writer, options)
  const services = new ServiceCounts(writer)
  const attempts = new Map<string, Map<string, number>>()
  const count = (name: FamilyName, values: readonly string[], amount = 1) =>
    writer.add(writer.cell(name, values), amount)

  const countAttempt = (event: AttemptEnded) => {
    const { provider } = event
    const result = resultOf(event)
    let ofProvider = attempts.get(provider)
    if (ofProvider === undefined) {
      if (!writer.hasRoom) return count('attempts_total', [provider, result])
      ofProvider = new Map()
      attempts.set(provider, ofProvider)
    }
    let cell = ofProvider.get(result)
    if (cell === undefined) {
      cell = writer.cell('attempts_total', [provider, result])
      ofProvider.set(result, cell)
    }
    writer.add(cell, 1)
  }

  const countRefusal = ({ code, unlogged = 0, has_left: hasLeft }: GatewayEvent & { kind: 'refused' }) => {
    if (hasLeft === true) return
    count('refusals_total', [code], 1 + unlogged)
    if (code === 'rate_limit_exceeded') count('limited_total', ['', 'client'], 1 + unlogged)
  }

  return {
    name: 'metrics',
    receive(event) {
      const { kind } = event
      if (kind === 'call_ended') calls.count(event.call, event.counted_model)
      else if (kind === 'attempt_ended') countAttempt(event)
      else if (kind === 'refused') countRefusal(event)
      else if (kind === 'target_cooled') count('cooldowns_total', [event.provider, event.trouble])
      else if (kind === 'polled') count(polls[event.poll], [event.provider, event.is_ok ? 'ok' : 'failed'])
      else if (kind === 'spans_counted') count('otlp_spans_total', [event.result], event.count)
      else if (kind === 'notification_sent') count('notifications_total', [event.sink, 'sent'])
      else if (kind === 'notification_failed') count('notifications_total', [event.sink, 'failed'])
      else if (kind === 'notification_suppressed') {
        count('notifications_total', [event.sink, 'suppressed'], event.notices)
      } else if (kind in plain) count(plain[kind]!, [])
      else services.count(event)
    },
  }
}

/** Events that are counted as such. */
const plain: Partial<Record<GatewayEvent['kind'], FamilyName>> = {
  alerts_not_saved: 'state_save_failures_total',
  budgets_not_saved: 'state_save_failures_total',
  formats_not_saved: 'state_save_failures_total',
  identity_keys_not_saved: 'state_save_failures_total',
  internal_error: 'internal_errors_total',
  keys_not_acknowledged: 'state_save_failures_total',
  limits_not_saved: 'state_save_failures_total',
  model_lists_not_saved: 'state_save_failures_total',
  owners_not_kept: 'state_save_failures_total',
  peer_users_unreadable: 'peer_users_unreadable_total',
  worker_restarted: 'worker_restarts_total',
}

const polls = { models: 'discovery_total', health: 'health_checks_total' } as const

function resultOf({ outcome, trouble }: AttemptEnded): string {
  if (outcome === 'answered') return 'ok'
  return outcome === 'gone' ? 'gone' : (trouble ?? 'client_error')
}
