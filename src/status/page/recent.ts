// The last calls, each with everything that is known of it, and the failures of a day by their cause.
import { Component, type VNode } from 'preact'
import { hasFailed } from '../failed-call.ts'
import type { RecentCall, StatusReport } from '../status-report.ts'
import { box, h } from './element.ts'
import { count, counted, duration, none, outcomeOf, rate, time, usd } from './format.ts'
import {
  advice,
  button,
  code,
  type Column,
  empty,
  facts,
  field,
  section,
  state,
  table,
  two,
} from './parts.ts'

/** Rows until all are asked for. */
const firstRows = 15

interface View {
  readonly words: string
  readonly isFailedOnly: boolean
  readonly hasAll: boolean
  /** Ids of the calls whose details are shown. */
  readonly open: ReadonlySet<string>
}

export class Recent extends Component<{ readonly report: StatusReport }, View> {
  override state: View = { words: '', isFailedOnly: false, hasAll: false, open: new Set() }

  override render(): VNode {
    const { recent, now } = this.props.report
    const { words, isFailedOnly, hasAll, open } = this.state
    const matching = recent.filter((call) => (!isFailedOnly || hasFailed(call)) && matches(call, words))
    const rows = hasAll ? matching : matching.slice(0, firstRows)
    if (recent.length === 0) {
      return section('recent', 'Last calls', undefined, empty('No call has ended since the start.'))
    }
    return section(
      'recent',
      'Last calls',
      box('p', 'quiet', `${count(matching.length)} of ${counted(recent.length, 'call')}`),
      box(
        'div',
        'bar',
        field(
          'Filter',
          h('input', {
            type: 'search',
            value: words,
            onInput: (event) => this.setState({ words: event.currentTarget.value }),
          }),
        ),
        field(
          h('input', {
            type: 'checkbox',
            checked: isFailedOnly,
            onChange: (event) => this.setState({ isFailedOnly: event.currentTarget.checked }),
          }),
          'Failed only',
        ),
      ),
      rows.length > 0 &&
        table('Last calls, the newest first', [this.#opener(now), ...columns], {
          rows,
          keyOf: ({ id }) => id,
          detail: (call) => (open.has(call.id) ? details(call) : undefined),
        }),
      matching.length > rows.length &&
        button(`Show all ${count(matching.length)}`, () => this.setState({ hasAll: true })),
    )
  }

  #opener(now: string): Column<RecentCall> {
    return [
      'Ended',
      '',
      ({ id, at }) => {
        const isOpen = this.state.open.has(id)
        const toggle = () => {
          const open = new Set(this.state.open)
          if (!open.delete(id)) open.add(id)
          this.setState({ open })
        }
        return button(time(at, now), toggle, { class: 'open', 'aria-expanded': isOpen })
      },
    ]
  }
}

function matches(call: RecentCall, words: string): boolean {
  const text = Object.values(call).join(' ').toLowerCase()
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word))
}

/** What is known of a call, as columns; `x`: in the details only, which have all of them. */
const fields: readonly Column<RecentCall>[] = [
  ['Model', '', (call) => call.model ?? none],
  ['Provider', 'm', (call) => call.provider ?? none],
  ['Client', 'm', (call) => call.client],
  [
    'Outcome',
    'text',
    ({ outcome, status, reason, code: ownCode }) => {
      const { words, tone } = outcomeOf(outcome, ownCode)
      return two(state(tone, `${words} ${status}`), reason ?? ownCode)
    },
  ],
  ['In line', 'n l', (call) => duration(call.wait_ms || null)],
  ['First token', 'n m', (call) => duration(call.first_token_ms)],
  ['Took', 'n', (call) => duration(call.duration_ms)],
  ['Prompt', 'n m', (call) => count(call.prompt_tokens)],
  ['Answer', 'n m', (call) => count(call.completion_tokens)],
  ['Tokens/s', 'n l', (call) => rate(call.tokens_per_second)],
  ['Cost', 'n m', (call) => usd(call.cost_usd)],
  ['Counts', 'x', (call) => call.estimated && 'estimated'],
  ['Prompt tokens/s', 'x', (call) => rate(call.prompt_per_second)],
  ['Read from cache', 'x', (call) => count(call.cached_tokens)],
  ['Written to cache', 'x', (call) => count(call.cache_write_tokens)],
  ['Code', 'x', (call) => call.code],
  ['Key', 'x', (call) => call.key],
  ['Format', 'x', (call) => `${call.dialect}${call.stream ? ', stream' : ''}`],
  ['Model there', 'x', (call) => call.target_model],
  ['Chosen', 'x', (call) => call.placed ?? call.placement],
  ['Attempts', 'x', (call) => count(call.attempts)],
  ['Request', 'x', (call) => code(call.id)],
  ['Trace', 'x', traceCell],
]

function traceCell({ trace_id, trace_url }: RecentCall): VNode | null {
  if (trace_id === null) return null
  const id = code(trace_id)
  // Only what a browser opens: no address that runs a script.
  return /^https?:/.test(trace_url ?? '') ? h('a', { href: trace_url!, rel: 'noreferrer' }, id) : id
}

const columns = fields.filter(([, look]) => look !== 'x')

function details(call: RecentCall): VNode {
  return box(
    'div',
    'card',
    advice(call.reason, call.fix),
    facts(
      ...fields
        .filter(([, look]) => look !== 'text')
        .map(([head, , cell]) => [head, cell(call)] as const)
        .filter(([, value]) => value !== none),
    ),
  )
}

export function failuresSection({ failures, now }: StatusReport): VNode {
  return section(
    'failures',
    'Failures in 24 hours',
    undefined,
    failures.length === 0
      ? empty('No call has failed.')
      : table(
          'Failures of the last 24 hours by code and provider',
          [
            ['Code', '', (each) => two(each.code, each.provider)],
            ['Calls', 'n', (each) => count(each.count)],
            ['Last', 'n', (each) => time(each.last_at, now)],
            ['Why and what to do', 'text', (each) => two(each.reason ?? none, each.fix)],
          ],
          { rows: failures },
        ),
  )
}
