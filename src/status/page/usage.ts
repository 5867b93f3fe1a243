// Usage and cost from the ledger: by day as bars, and by model, client and key of the days that are chosen.
import type { VNode } from 'preact'
import type { Usage, UsageRow } from '../status-report.ts'
import { chart } from './chart.ts'
import { box, h, stateful } from './element.ts'
import { count, counted, shortDay, some, sum, usd } from './format.ts'
import { choice, code, type Column, empty, facts, section, table } from './parts.ts'

/** How many days back the tables go; today is one. */
export type Days = '1' | '7' | '30'

const dayChoices: Readonly<Record<Days, string>> = { 1: 'Today', 7: '7 days', 30: '30 days' }
const measures = { cost: 'Cost', tokens: 'Tokens', calls: 'Calls' } as const
const groupings = { models: 'By model', clients: 'By client', keys: 'By key', days: 'By day' } as const

type Measure = keyof typeof measures
type Grouping = keyof typeof groupings

export function usageSection(usage: Usage | null, days: Days, onDays: (days: Days) => void): VNode {
  return section(
    'usage',
    'Usage and cost',
    usage && choice('Days', dayChoices, days, onDays),
    usage
      ? h(Shown, { usage, days: Number(days) })
      : empty('The ledger is off or cannot be read. ', code('llm-gateway doctor'), ' reports why.'),
  )
}

interface View {
  /** Undefined: cost, if there was any. */
  readonly measure?: Measure
  readonly grouping: Grouping
}

const Shown = stateful<{ readonly usage: Usage; readonly days: number }, View>(
  { grouping: 'models' },
  ({ usage, days }, { grouping, measure: wanted }, change) => {
    const measure = wanted ?? (sum(usage.days, 'cost_usd') > 0 ? 'cost' : 'tokens')
    const chosen = usage.days.slice(-days)
    const rows =
      grouping === 'days'
        ? chosen.map((row) => ({ ...row, name: shortDay(row.name) })).toReversed()
        : usage[grouping]
    return box(
      'div',
      'usage',
      box(
        'div',
        'panel',
        totals(chosen),
        chosen.length > 1 && [
          choice('Bars', measures, measure, (value) => change({ measure: value })),
          figure(chosen, measure),
        ],
      ),
      choice('Table', groupings, grouping, (value) => change({ grouping: value })),
      table(`Usage, ${groupings[grouping].toLowerCase()}`, rows, columns) || empty('Nothing on these days.'),
    )
  },
)

const columns: readonly Column<UsageRow>[] = [
  ['Name', '', 'name'],
  ['Calls', 'n', 'calls', count],
  ['Failed', 'n m', 'failed', some],
  ['Prompt tokens', 'n m', 'prompt_tokens', count],
  ['From cache', 'n l', 'cached_tokens', some],
  ['Answer tokens', 'n', 'completion_tokens', count],
  ['Cost', 'n', 'cost_usd', usd],
  ['Price unknown', 'n l', 'unpriced_calls', some],
]

function totals(rows: readonly UsageRow[]): VNode {
  const unpriced = sum(rows, 'unpriced_calls')
  const isPriced = unpriced === 0 || rows.some(({ cost_usd }) => cost_usd !== null)
  return facts(
    ['Cost', isPriced ? usd(sum(rows, 'cost_usd')) : 'not known'],
    ['Price unknown', unpriced > 0 && counted(unpriced, 'call')],
    ['Calls', count(sum(rows, 'calls'))],
    ['Failed', count(sum(rows, 'failed'))],
    ['Prompt tokens', count(sum(rows, 'prompt_tokens'))],
    ['Answer tokens', count(sum(rows, 'completion_tokens'))],
  )
}

function valueOf(row: UsageRow, measure: Measure): number {
  if (measure === 'calls') return row.calls
  return measure === 'cost' ? Number(row.cost_usd) : row.prompt_tokens + row.completion_tokens
}

function shown(value: number, measure: Measure): string {
  return measure === 'cost' ? usd(value) : counted(value, measure.slice(0, -1))
}

/** Days as bars. */
function figure(rows: readonly UsageRow[], measure: Measure): VNode {
  const top = Math.max(...rows.map((row) => valueOf(row, measure)))
  const most = top ? `at most ${shown(top, measure)} a day` : 'none'
  return h(
    'figure',
    null,
    chart(
      `${counted(rows.length, 'day')}: ${most}. The table by day has each.`,
      rows.map((row) => {
        const value = valueOf(row, measure)
        return [`${shortDay(row.name)}: ${shown(value, measure)}`, ['', value]]
      }),
      600 / rows.length,
      96,
    ),
    h(
      'figcaption',
      null,
      h('span', null, shortDay(rows[0]!.name)),
      h('span', null, most),
      h('span', null, 'today'),
    ),
  )
}
