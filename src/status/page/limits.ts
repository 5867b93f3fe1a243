// Limits and budgets: how much is left and when there is room again.
import type { ComponentChildren, VNode } from 'preact'
import type { BudgetRow, LimitState, StatusReport } from '../status-report.ts'
import type { MachineRow } from '../shared-store.ts'
import { storeText, useText } from '../shared-store-text.ts'
import { h } from './element.ts'
import { count, duration, none, time, type Tone, usd } from './format.ts'
import { code, type Column, empty, section, state, table, two } from './parts.ts'

const dimensions: Readonly<Record<LimitState['dimension'], string>> = {
  requests: 'requests per minute',
  tokens: 'tokens per minute',
  parallel: 'at the same time',
}

export function limitsSection({ limits, budgets, store, now }: StatusReport): VNode {
  return section(
    'limits',
    'Limits and budgets',
    store && state(store.up ? 'good' : 'bad', storeText(store)),
    limits.length + budgets.length === 0 &&
      empty('Nothing is limited. ', code('rate_limit_settings'), ' and ', code('budgets'), ' set limits.'),
    limits.length > 0 &&
      table('Limits of models in the last 60 seconds', limitColumns, {
        rows: limits,
      }),
    budgets.length > 0 &&
      table('Budgets', budgetColumns(now), {
        rows: budgets,
      }),
    (store?.conflicts ?? []).map((text) => h('p', null, state('bad', text))),
    store &&
      store.machines.length > 0 &&
      table('Machines that share limits', machineColumns(now), { rows: store.machines }),
  )
}

const limitColumns: readonly Column<LimitState>[] = [
  ['Model', '', (each) => two(each.model, dimensions[each.dimension] ?? each.dimension)],
  ['Used', '', (each) => level(each.used, each.limit, each.model, count)],
  ['In line', 'n m', (each) => count(each.waiting || null)],
  ['Room again', 'n', roomCell],
  ['All free', 'n l', (each) => inTime(each.resets_in_ms)],
]

function roomCell({ used, limit, frees_in_ms }: LimitState): string {
  if (frees_in_ms === null) return used < limit ? 'now' : 'when a call ends'
  return frees_in_ms === 0 ? 'now' : inTime(frees_in_ms)
}

function inTime(ms: number | null): string {
  return ms ? `in ${duration(ms)}` : duration(null)
}

function budgetColumns(now: string): readonly Column<BudgetRow>[] {
  const amount = ({ unit }: BudgetRow, value: number) => (unit === 'usd' ? usd(value) : count(value))
  return [
    ['Budget of', '', (each) => two(each.of, `${each.unit === 'usd' ? '' : `${each.unit} `}per ${each.per}`)],
    [
      'Spent and reserved',
      '',
      (each) =>
        level(Number(each.spent) + Number(each.reserved), Number(each.limit), each.of, (value) =>
          amount(each, value),
        ),
    ],
    ['Reserved', 'n m', (each) => amount(each, Number(each.reserved))],
    ['Starts anew', 'n', (each) => time(each.resets_at, now)],
  ]
}

const tones: Readonly<Record<MachineRow['state'], Tone>> = { here: 'good', silent: 'bad', left: 'calm' }
const stateWords = { here: 'here', silent: 'silent', left: 'stopped' } as const

function machineColumns(now: string): readonly Column<MachineRow>[] {
  return [
    ['Machine', '', (each) => two(each.name, each.is_this ? 'this one' : null)],
    ['State', '', (each) => state(tones[each.state] ?? 'warn', stateWords[each.state] ?? each.state)],
    ['Uses', '', (each) => each.uses.map(useText).join('; ') || none],
    ['Version', 'm', (each) => each.version],
    ['Since', 'n m', (each) => time(each.since, now)],
    ['Last seen', 'n l', (each) => time(each.last_seen, now)],
  ]
}

function level(used: number, limit: number, of: string, shown: (value: number) => string): ComponentChildren {
  const max = limit || 1
  const text = `${shown(used)} of ${shown(limit)}`
  const meter = h('meter', {
    max,
    low: max * 0.7,
    high: max * 0.95,
    optimum: 0,
    value: Math.min(used, max),
    'aria-label': `${of}: ${text}`,
  })
  return two(meter, text)
}
