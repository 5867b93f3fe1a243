// The last calls, each with everything that is known of it, and the failures of a day by their cause.
import type { ComponentChildren, VNode } from 'preact'
import { calledName } from '../called-name.ts'
import { hasFailed } from '../failed-call.ts'
import { shownOutcome } from '../outcome-words.ts'
import type { RecentCall, StatusReport } from '../status-report.ts'
import { box, h, stateful } from './element.ts'
import { count, counted, duration, none, rate, time, usd } from './format.ts'
import {
  advice,
  button,
  cellOf,
  code,
  type Column,
  empty,
  facts,
  field,
  quiet,
  section,
  state,
  table,
  two,
} from './parts.ts'
import { wordsOf } from './words.ts'

/** Rows until all are asked for. */
const firstRows = 15

interface View {
  readonly words: string
  readonly isFailedOnly: boolean
  readonly hasAll: boolean
  /** Ids of the calls whose details are shown. */
  readonly open: ReadonlySet<string>
}

export const Recent = stateful<{ readonly report: StatusReport }, View>(
  { words: '', isFailedOnly: false, hasAll: false, open: new Set() },
  ({ report: { recent } }, { words, isFailedOnly, hasAll, open }, change) => {
    if (recent.length === 0) {
      return section('recent', 'Last calls', null, empty('No call has ended since the start.'))
    }
    const matching = recent.filter((call) => (!isFailedOnly || hasFailed(call)) && matches(call, words))
    const rows = hasAll ? matching : matching.slice(0, firstRows)
    const opener = ({ id, at }: RecentCall) =>
      button(time(at), () => change({ open: open.symmetricDifference(new Set([id])) }), {
        class: 'open',
        'aria-expanded': open.has(id),
      })
    return section(
      'recent',
      'Last calls',
      quiet(`${count(matching.length)} of ${counted(recent.length, 'call')}`),
      box(
        'div',
        'bar',
        field(
          'Filter',
          h('input', {
            type: 'search',
            value: words,
            onInput: (event) => change({ words: event.currentTarget.value }),
          }),
        ),
        field(
          h('input', {
            type: 'checkbox',
            checked: isFailedOnly,
            onChange: (event) => change({ isFailedOnly: event.currentTarget.checked }),
          }),
          'Failed only',
        ),
      ),
      table(
        'Last calls, the newest first',
        rows,
        [['Ended', '', opener], ...columns],
        (call) => open.has(call.id) && details(call),
      ) || empty('No call matches.'),
      matching.length > rows.length &&
        button(`Show all ${count(matching.length)}`, () => change({ hasAll: true })),
    )
  },
)

function matches(call: RecentCall, words: string): boolean {
  const text = Object.values(call).join(' ').toLowerCase()
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word))
}

/** What is known of a call, as columns; `x`: in the details only, which have all of them. */
const fields: readonly Column<RecentCall>[] = [
  ['Model', '', calledName],
  ['Provider', 'm', 'provider'],
  ['Client', 'm', 'client'],
  ['Outcome', 'text', outcomeCell],
  ['In line', 'n l', (call) => duration(call.wait_ms || null)],
  ['First token', 'n m', 'first_token_ms', duration],
  ['Took', 'n', 'duration_ms', duration],
  ['Prompt', 'n m', 'prompt_tokens', count],
  ['Answer', 'n m', 'completion_tokens', count],
  ['Tokens/s', 'n l', 'tokens_per_second', rate],
  ['Cost', 'n m', 'cost_usd', usd],
  ['Counts', 'x', (call) => call.estimated && 'estimated'],
  ['Prompt tokens/s', 'x', 'prompt_per_second', rate],
  ['Read from cache', 'x', 'cached_tokens', count],
  ['Written to cache', 'x', 'cache_write_tokens', count],
  ['Code', 'x', 'code'],
  ['Key', 'x', 'key'],
  ['Format', 'x', (call) => `${call.dialect}${call.stream ? ', stream' : ''}`],
  ['Model there', 'x', 'target_model'],
  ['Chosen', 'x', (call) => call.placed ?? call.placement],
  ['Attempts', 'x', 'attempts', count],
  ['Request', 'x', 'id', code],
  ['Trace', 'x', traceCell],
]

function outcomeCell(call: RecentCall): ComponentChildren {
  const outcome = shownOutcome(call)
  return two(state(outcome, `${wordsOf(outcome)} ${call.status}`), call.reason ?? call.code)
}

function traceCell({ trace_id, trace_url }: RecentCall): VNode | null {
  if (trace_id === null) return null
  const id = code(trace_id)
  // Only what a browser opens: no address that runs a script.
  return /^https?:/.test(trace_url ?? '') ? h('a', { href: trace_url!, rel: 'noreferrer' }, id) : id
}

const columns = fields.filter(([, look]) => look !== 'x')

function details(call: RecentCall): VNode {
  const known = fields.filter(([, look]) => look !== 'text')
  return box(
    'div',
    'card',
    advice(call.reason, call.fix),
    facts(...known.map((each) => [each[0], cellOf(each, call)] as const)),
  )
}

export function failuresSection({ failures }: StatusReport): VNode {
  return section(
    'failures',
    'Failures in 24 hours',
    null,
    table('Failures of the last 24 hours by code and provider', failures, [
      ['Code', '', (each) => two(each.code, each.provider)],
      ['Calls', 'n', 'count', count],
      ['Last', 'n', 'last_at', time],
      ['Why and what to do', 'text', (each) => two(each.reason ?? none, each.fix)],
    ]) || empty('No call has failed.'),
  )
}
