// Providers: which works, why one cools down, and until when.
import type { ComponentChildren, VNode } from 'preact'
import { spaced } from '../outcome-words.ts'
import type { ProviderState, StatusReport } from '../status-report.ts'
import { chart } from './chart.ts'
import { count, counted, duration, rate, some, sum, time } from './format.ts'
import { code, type Column, empty, section, state, table, two } from './parts.ts'
import { wordsOf } from './words.ts'

export function providersSection({ providers }: StatusReport): VNode {
  return section(
    'providers',
    'Providers',
    null,
    table('Providers and their last 15 minutes', providers, columns) ||
      empty('The configuration has no providers. Add one to ', code('providers'), '.'),
  )
}

const columns: readonly Column<ProviderState>[] = [
  ['Provider', '', (each) => two(each.name, each.origin ?? each.kind)],
  ['State', 'text', stateCell],
  ['Under way', 'n', slotsCell],
  ['Last 15 min', 'm', trendCell],
  ['First token', 'n m', 'first_token_p50_ms', duration],
  ['Tokens/s', 'n m', speedCell],
  ['Last success', 'n l', 'last_success', time],
  ['Models', 'l', modelsCell],
  ['Boundary, key', 'l', (each) => two(each.boundary, each.key_from ?? 'no key')],
]

/** Of the slots, those in use, and who waits for them. */
function slotsCell({ in_flight, max_parallel, slots, waiting }: ProviderState): ComponentChildren {
  const most = max_parallel ?? slots
  return two(count(in_flight) + (most ? ` / ${count(most)}` : ''), waiting && `${count(waiting)} in line`)
}

/** How fast it writes, and reads what its cache does not have. */
function speedCell({ tokens_per_second, prompt_per_second, cached_share }: ProviderState): ComponentChildren {
  const cached = cached_share === null ? '' : `, ${count(cached_share * 100)}% cached`
  return two(rate(tokens_per_second), prompt_per_second && `reads ${rate(prompt_per_second)}${cached}`)
}

function modelsCell({ served, models }: ProviderState): ComponentChildren {
  const words = served.map(({ name, context_length, state }) =>
    [name, context_length, state].filter(Boolean).join(' '),
  )
  return two(some(models || words.length), words.join(', '))
}

function stateCell(provider: ProviderState): ComponentChildren {
  const { state: name, trouble, until, reason, reason_at, is_sleeping } = provider
  const why = trouble === null ? '' : `: ${spaced(trouble)}`
  const isOver = name === 'ok' || name === 'unused'
  return two(
    [
      state(name, `${wordsOf(name)}${why}`),
      is_sleeping && ', sleeping',
      until !== null && `, next try at ${time(until)}`,
    ],
    reason && (isOver ? `last failure ${time(reason_at)}: ${reason}` : reason),
  )
}

/** Calls of each minute, the failed ones in another colour. */
function trendCell({ minutes }: ProviderState): VNode {
  const calls = sum(minutes, 'calls')
  return chart(
    calls === 0 ? 'no calls' : `${counted(calls, 'call')}, ${count(sum(minutes, 'failed'))} failed`,
    minutes.map((minute) => ['', ['', minute.calls], ['bad', minute.failed]]),
    6,
    22,
  )
}
