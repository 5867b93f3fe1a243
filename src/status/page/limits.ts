// Limits and budgets: how much is left and when there is room again.
import type { ComponentChildren, VNode } from 'preact'
import { dimensionWords, roomText } from '../limit-words.ts'
import type { BudgetRow, LimitState, StatusReport } from '../status-report.ts'
import type { ShownMachine } from '../shared-store.ts'
import { h } from './element.ts'
import { count, duration, some, time, usd } from './format.ts'
import { code, type Column, empty, section, state, table, two } from './parts.ts'

export function limitsSection({ limits, budgets, store }: StatusReport): VNode {
  return section(
    'limits',
    'Limits and budgets',
    store && state(store.up ? 'good' : 'bad', store.text),
    limits.length + budgets.length === 0 &&
      empty('Nothing is limited. ', code('rate_limit_settings'), ' and ', code('budgets'), ' set limits.'),
    table('Limits of models in the last 60 seconds', limits, limitColumns),
    table('Budgets', budgets, budgetColumns),
    store && [
      store.conflicts.map((text) => h('p', null, state('bad', text))),
      table('Machines that share limits', store.machines, machineColumns),
    ],
  )
}

const limitColumns: readonly Column<LimitState>[] = [
  ['Model', '', (each) => two(each.model, dimensionWords[each.dimension])],
  ['Used', '', (each) => level(each.model, each.used, each.limit, count)],
  ['In line', 'n m', 'waiting', some],
  ['Room again', 'n', roomText],
  ['All free', 'n l', 'resets_in_ms', inTime],
]

function inTime(ms: number | null): string {
  return ms ? `in ${duration(ms)}` : duration(null)
}

function amountIn({ unit }: BudgetRow): (value: string | number) => string {
  return unit === 'usd' ? usd : (value) => count(Number(value))
}

const budgetColumns: readonly Column<BudgetRow>[] = [
  ['Budget of', '', ({ of, unit, per }) => two(of, `${unit === 'usd' ? '' : `${unit} `}per ${per}`)],
  [
    'Spent and reserved',
    '',
    (each) => level(each.of, Number(each.spent) + Number(each.reserved), Number(each.limit), amountIn(each)),
  ],
  ['Reserved', 'n m', (each) => amountIn(each)(each.reserved)],
  ['Starts anew', 'n', 'resets_at', time],
]

const machineColumns: readonly Column<ShownMachine>[] = [
  ['Machine', '', (each) => two(each.name, each.is_this && 'this one')],
  ['State', '', 'state', state],
  ['Uses', '', 'uses_text'],
  ['Version', 'm', 'version'],
  ['Since', 'n m', 'since', time],
  ['Last seen', 'n l', 'last_seen', time],
]

function level(of: string, used: number, limit: number, shown: (value: number) => string): ComponentChildren {
  const share = Math.min(used / (limit || 1), 1)
  const text = `${shown(used)} of ${shown(limit)}`
  const bar = h(
    'svg',
    {
      class: 'level',
      role: 'img',
      'aria-label': `${of}: ${text}`,
      viewBox: '0 0 1 1',
      preserveAspectRatio: 'none',
    },
    h('rect', { class: share < 0.7 ? '' : share < 0.95 ? 'warn' : 'bad', width: share, height: 1 }),
  )
  return two(bar, text)
}
