// Usage and cost from the ledger: by day as bars, and by model, client and key of the days that are chosen.
import { Component, type VNode } from 'preact'
import type { Usage, UsageRow } from '../status-report.ts'
import { box, h } from './element.ts'
import { count, counted, shortDay, usd } from './format.ts'
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
    usage === null
      ? empty('The ledger is off or cannot be read. ', code('llm-gateway doctor'), ' reports why.')
      : h(Shown, { usage, days: Number(days) }),
  )
}

interface View {
  /** Undefined: cost, if there was any. */
  readonly measure?: Measure
  readonly grouping: Grouping
}

class Shown extends Component<{ readonly usage: Usage; readonly days: number }, View> {
  override state: View = { grouping: 'models' }

  override render(): VNode {
    const { usage, days } = this.props
    const { grouping } = this.state
    const hasCost = usage.days.some(({ cost_usd }) => Number(cost_usd) > 0)
    const measure = this.state.measure ?? (hasCost ? 'cost' : 'tokens')
    const chosen = usage.days.slice(-days)
    const isByDay = grouping === 'days'
    const rows = isByDay ? chosen.toReversed() : usage[grouping]
    const name: Column<UsageRow> = ['Name', '', (row) => (isByDay ? shortDay(row.name) : row.name)]
    return box(
      'div',
      'usage',
      box(
        'div',
        'panel',
        totals(chosen),
        choice('Bars', measures, measure, (value) => this.setState({ measure: value })),
        chart(usage.days, measure, days),
      ),
      choice('Table', groupings, grouping, (value) => this.setState({ grouping: value })),
      rows.length === 0
        ? empty('Nothing on these days.')
        : table(`Usage, ${groupings[grouping].toLowerCase()}`, [name, ...columns], {
            rows,
          }),
    )
  }
}

const columns: readonly Column<UsageRow>[] = [
  ['Calls', 'n', (row) => count(row.calls)],
  ['Failed', 'n m', (row) => count(row.failed || null)],
  ['Prompt tokens', 'n m', (row) => count(row.prompt_tokens)],
  ['From cache', 'n l', (row) => count(row.cached_tokens || null)],
  ['Answer tokens', 'n', (row) => count(row.completion_tokens)],
  ['Cost', 'n', (row) => usd(row.cost_usd)],
  ['Price unknown', 'n l', (row) => count(row.unpriced_calls || null)],
]

function totals(rows: readonly UsageRow[]): VNode {
  const sum = (of: (row: UsageRow) => number) => rows.reduce((total, row) => total + of(row), 0)
  const unpriced = sum((row) => row.unpriced_calls)
  const isPriced = unpriced === 0 || rows.some((row) => row.cost_usd !== null)
  return facts(
    ['Cost', isPriced ? usd(sum((row) => Number(row.cost_usd))) : 'not known'],
    ['Price unknown', unpriced > 0 && counted(unpriced, 'call')],
    ['Calls', count(sum((row) => row.calls))],
    ['Failed', count(sum((row) => row.failed))],
    ['Prompt tokens', count(sum((row) => row.prompt_tokens))],
    ['Answer tokens', count(sum((row) => row.completion_tokens))],
  )
}

function valueOf(row: UsageRow, measure: Measure): number {
  if (measure === 'calls') return row.calls
  return measure === 'cost' ? Number(row.cost_usd) : row.prompt_tokens + row.completion_tokens
}

function shown(value: number, measure: Measure): string {
  return measure === 'cost' ? usd(value) : counted(value, measure.slice(0, -1))
}

const [step, height] = [20, 96]

/** Days as bars; those that the tables leave out are pale. */
function chart(rows: readonly UsageRow[], measure: Measure, days: number): VNode {
  const values = rows.map((row) => valueOf(row, measure))
  const most = Math.max(...values)
  const bar = (look: string, at: number, tall: number) =>
    h('rect', { class: look, x: at * step + 2, y: height - tall, width: step - 4, height: tall })
  const label = `The last ${counted(rows.length, 'day')}: at most ${shown(most, measure)} a day. The table by day has each.`
  return h(
    'figure',
    null,
    h(
      'svg',
      {
        role: 'img',
        'aria-label': label,
        viewBox: `0 0 ${rows.length * step} ${height}`,
        preserveAspectRatio: 'none',
      },
      values.map((value, at) => [
        bar('track', at, 1),
        bar(at < rows.length - days ? 'pale' : 'calls', at, (value / (most || 1)) * (height - 2)),
        h(
          'rect',
          { class: 'hit', x: at * step, width: step, height },
          h('title', null, `${shortDay(rows[at]!.name)}: ${shown(value, measure)}`),
        ),
      ]),
    ),
    h(
      'figcaption',
      null,
      h('span', null, shortDay(rows[0]?.name ?? '')),
      h('span', null, `at most ${shown(most, measure)} a day`),
      h('span', null, 'today'),
    ),
  )
}
