// What needs a person: the last failure and the conditions that hold, with why and what to do.
import type { VNode } from 'preact'
import { hasFailed } from '../failed-call.ts'
import type { StatusReport } from '../status-report.ts'
import { box, h } from './element.ts'
import { count, counted, outcomeOf, time, type Tone } from './format.ts'
import { advice, code, facts, section, state } from './parts.ts'

type Condition = StatusReport['attention'][number]

const tones: Readonly<Record<Condition['severity'], Tone>> = {
  critical: 'bad',
  warning: 'warn',
  info: 'calm',
}

/** Failures are shown on top for this long. */
const recentMs = 24 * 3_600_000

export function attentionSection(report: StatusReport): VNode {
  const { attention, recent, reload, now } = report
  const last = lastFailure(report)
  const isCalm =
    last === undefined && attention.length === 0 && !reload?.problems.length && !reload?.needs_restart.length
  return section(
    'attention',
    'Needs attention',
    undefined,
    last,
    reload && [
      notes(`${counted(reload.problems.length, 'problem')}: the old configuration stays`, reload.problems),
      notes('Changed, and applied by a restart only', reload.needs_restart),
    ],
    attention.map(({ subject, severity, state, since, what, why, fix }) =>
      card(
        { tone: tones[severity], word: severity, title: what, why, fix },
        box(
          'p',
          'quiet',
          `${subject && `${subject}, `}since ${time(since, now)}${state === 'pending' ? ', not reported yet' : ''}`,
        ),
      ),
    ),
    isCalm && (recent.length === 0 ? firstCall(report) : allWell(recent)),
  )
}

function allWell(recent: StatusReport['recent']): VNode {
  const answered = recent.filter(({ outcome }) => outcome === 'ok').length
  return box(
    'p',
    'empty',
    state('good', 'Nothing'),
    `. Of the last ${counted(recent.length, 'call')}, ${count(answered)} succeeded.`,
  )
}

/** The newest of the calls that are remembered. */
function lastFailure({ recent, now }: StatusReport): VNode | undefined {
  const at = recent.findIndex(hasFailed)
  const call = recent[at]
  if (call === undefined || Date.parse(call.at) < Date.parse(now) - recentMs) return undefined
  const { provider } = call
  const { words, tone } = outcomeOf(call.outcome, call.code)
  const later = recent.slice(0, at).filter(({ outcome }) => outcome === 'ok')
  const there = later.filter((each) => each.provider === provider).length
  const isMixed = provider !== null && there < later.length
  return card(
    {
      tone: there > 0 ? 'warn' : tone,
      word: 'last failed call',
      title: `${call.model ?? 'A call'}${provider === null ? '' : ` at ${provider}`}: ${words}`,
      why: call.reason,
      fix: call.fix,
    },
    facts(
      ['When', time(call.at, now)],
      ['Client', call.client],
      ['Status', `${call.status} ${call.code ?? ''}`],
      ['Request', code(call.id)],
    ),
    box(
      'p',
      'quiet',
      later.length === 0
        ? 'No call has succeeded since.'
        : `${counted(later.length, 'call')} succeeded since${isMixed ? `, ${there || 'none'} at ${provider}` : ''}.`,
    ),
  )
}

interface Trouble {
  readonly tone: Tone
  readonly word: string
  readonly title: string
  readonly why: string | null
  readonly fix: string | null
}

function card({ tone, word, title, why, fix }: Trouble, ...children: readonly VNode[]): VNode {
  return h(
    'article',
    { class: `card ${tone}` },
    box('div', 'head', h('h3', null, title), state(tone, word)),
    advice(why, fix),
    ...children,
  )
}

function notes(title: string, lines: readonly string[]): VNode | false {
  const list = h(
    'ul',
    null,
    lines.map((line) => h('li', null, line)),
  )
  return lines.length > 0 && card({ tone: 'warn', word: 'configuration', title, why: null, fix: null }, list)
}

/** What to type while no call has come. */
function firstCall({ providers }: StatusReport): VNode {
  const model = providers.some(({ kind }) => kind === 'echo') ? 'echo' : 'MODEL'
  const base = `${location.origin}/v1`
  const body = JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'hello' }] })
  return box(
    'div',
    'card calm',
    h('h3', null, 'No call has come yet'),
    h('p', null, 'Make the first one in a terminal:'),
    h(
      'pre',
      { tabIndex: 0 },
      `curl -N ${base}/chat/completions \\\n  -H 'content-type: application/json' \\\n  -d '${body}'`,
    ),
    h('p', null, "Clients that use OpenAI's SDK need two variables:"),
    h('pre', { tabIndex: 0 }, `export OPENAI_BASE_URL=${base}\nexport OPENAI_API_KEY=not-needed`),
  )
}
