// Providers: which works, why one cools down, and until when.
import type { ComponentChildren, VNode } from 'preact'
import type { MinuteCell, ProviderState, StatusReport } from '../status-report.ts'
import { h } from './element.ts'
import { count, counted, duration, rate, spaced, time, type Tone } from './format.ts'
import { code, type Column, empty, section, state, table, two } from './parts.ts'

const states: Readonly<Record<ProviderState['state'], readonly [words: string, tone: Tone]>> = {
  ok: ['ok', 'good'],
  failing: ['failing', 'warn'],
  cooling: ['cooling down', 'warn'],
  unwell: ['unwell', 'bad'],
  unused: ['not used yet', 'calm'],
}

export function providersSection({ providers, now }: StatusReport): VNode {
  return section(
    'providers',
    'Providers',
    undefined,
    providers.length === 0
      ? empty('The configuration has no providers. Add one to ', code('providers'), '.')
      : table('Providers and their last 15 minutes', columnsAt(now), {
          rows: providers,
        }),
  )
}

function columnsAt(now: string): readonly Column<ProviderState>[] {
  return [
    ['Provider', '', (each) => two(each.name, each.origin ?? each.kind)],
    ['State', 'text', (each) => stateCell(each, now)],
    ['Under way', 'n', slotsCell],
    ['Last 15 min', 'm', (each) => trend(each.minutes)],
    ['First token', 'n m', (each) => duration(each.first_token_p50_ms)],
    ['Tokens/s', 'n m', speedCell],
    ['Last success', 'n l', (each) => time(each.last_success, now)],
    ['Models', 'l', modelsCell],
    ['Boundary', 'l', (each) => each.boundary],
    ['Key', 'l', (each) => each.key_from ?? 'none'],
  ]
}

/** Of the slots, those in use, and who waits for them. */
function slotsCell({ in_flight, max_parallel, slots, waiting }: ProviderState): ComponentChildren {
  const most = max_parallel ?? slots
  return two(
    count(in_flight) + (most ? ` / ${count(most)}` : ''),
    waiting ? `${count(waiting)} in line` : null,
  )
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
  return two(count(models || words.length || null), words.join(', '))
}

function stateCell(provider: ProviderState, now: string): ComponentChildren {
  const { trouble, until, reason } = provider
  const [words, tone] = states[provider.state] ?? [provider.state, 'calm']
  const why = trouble === null ? '' : `: ${spaced(trouble)}`
  const end = until === null ? '' : `, next try at ${time(until, now)}`
  const sleep = provider.is_sleeping ? ', sleeping' : ''
  const isOver = provider.state === 'ok' || provider.state === 'unused'
  const last = isOver && reason !== null ? `last failure ${time(provider.reason_at, now)}: ${reason}` : reason
  return two([state(tone, `${words}${why}`), sleep, end], last)
}

const [step, height] = [6, 22]

/** Calls of each minute as bars, the failed part of each in another colour. */
function trend(minutes: readonly MinuteCell[]): VNode {
  const most = Math.max(1, ...minutes.map(({ calls }) => calls))
  const [calls, failed] = [sum(minutes, 'calls'), sum(minutes, 'failed')]
  const label = calls === 0 ? 'no calls' : `${counted(calls, 'call')}, ${count(failed)} failed`
  const bar = (look: string, at: number, value: number) => {
    const tall = value === 0 ? 0 : Math.max(2, (value / most) * height)
    return h('rect', { class: look, x: at * step, y: height - tall, width: step - 2, height: tall })
  }
  return h(
    'svg',
    { role: 'img', 'aria-label': label, width: minutes.length * step, height },
    h('title', null, label),
    minutes.map((cell, at) => [
      bar('track', at, most / height),
      bar('calls', at, cell.calls),
      bar('failed', at, cell.failed),
    ]),
  )
}

function sum(minutes: readonly MinuteCell[], of: keyof MinuteCell): number {
  return minutes.reduce((total, each) => total + each[of], 0)
}
