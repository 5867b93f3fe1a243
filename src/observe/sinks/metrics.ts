// Events as counts. A call finds the cells of its model and provider by two look-ups; nothing here throws or waits.
import type { GatewayEvent, Sink } from '../events.ts'
import type { AttemptEnded } from '../events/calls.ts'
import { CallCounts, type CallCountsOptions } from '../metrics/call-counts.ts'
import type { SeriesWriter } from '../metrics/counters.ts'
import type { FamilyName } from '../metrics/families.ts'

export function metricsSink(writer: SeriesWriter, options: CallCountsOptions): Sink {
  const calls = new CallCounts(writer, options)
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

  return {
    name: 'metrics',
    receive(event: GatewayEvent) {
      switch (event.kind) {
        case 'call_ended':
          calls.count(event.call, event.counted_model)
          return
        case 'attempt_ended':
          countAttempt(event)
          return
        case 'refused': {
          if (event.has_left === true) return
          const amount = 1 + (event.unlogged ?? 0)
          count('refusals_total', [event.code], amount)
          if (event.code === 'rate_limit_exceeded') count('limited_total', ['', 'client'], amount)
          return
        }
        case 'target_cooled':
          count('cooldowns_total', [event.provider, event.trouble])
          return
        case 'polled':
          count(polls[event.poll], [event.provider, event.is_ok ? 'ok' : 'failed'])
          return
        case 'worker_restarted':
          count('worker_restarts_total', [])
          return
        case 'peer_users_unreadable':
          count('peer_users_unreadable_total', [])
          return
        case 'internal_error':
          count('internal_errors_total', [])
          return
        case 'budgets_not_saved':
        case 'formats_not_saved':
        case 'identity_keys_not_saved':
        case 'keys_not_acknowledged':
        case 'limits_not_saved':
        case 'owners_not_kept':
          count('state_save_failures_total', [])
          return
        default:
      }
    },
  }
}

const polls = { models: 'discovery_total', health: 'health_checks_total' } as const

function resultOf({ outcome, trouble }: AttemptEnded): string {
  if (outcome === 'answered') return 'ok'
  return outcome === 'gone' ? 'gone' : (trouble ?? 'client_error')
}
