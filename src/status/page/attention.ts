// What needs a person: the last failure and the conditions that hold, with why and what to do.
import type { VNode } from 'preact'
import type { StatusReport } from '../status-report.ts'
import { box, h } from './element.ts'
import { count, counted, isFailure, outcomeOf, time, type Tone } from './format.ts'
import { code, facts, section, state } from './parts.ts'

type Condition = StatusReport['attention'][number]

const tones: Readonly<Record<Condition['severity'], Tone>> = {
  critical: 'bad',
  warning: 'warn',
  info: 'calm',
}

/** Failures are shown on top for this long. */
const recentMs = 24 * 3_600_000

export function attentionSection(report: StatusReport): VNode {
  const { attention, recent, now } = report
  const last = lastFailure(report)
  const isCalm = last === undefined && attention.length === 0
  return section(
    'attention',
    'Needs attention',
    undefined,
    last,
    attention.map(({ rule, subject, severity, state, since, what, why, fix }) =>
      h(
        Card,
        { key: `${rule} ${subject}`, tone: tones[severity], word: severity, title: what, why, fix },
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
    'fine',
    state('good', 'Nothing'),
    `. Of the last ${counted(recent.length, 'call')}, ${count(answered)} succeeded.`,
  )
}

/** Of the calls that are remembered, else of the counts of 24 hours. */
function lastFailure({ recent, failures, now }: StatusReport): VNode | undefined {
  const at = recent.findIndex(isFailure)
  const call = recent[at]
  if (call !== undefined && Date.parse(call.at) > Date.parse(now) - recentMs) {
    const { words, tone } = outcomeOf(call.outcome)
    const later = recent.slice(0, at).filter(({ outcome }) => outcome === 'ok')
    const there = later.filter(({ provider }) => provider === call.provider).length
    const place =
      call.provider === null || there === later.length ? '' : `, ${count(there)} of them at ${call.provider}`
    return h(
      Card,
      {
        tone: later.length > 0 ? 'warn' : tone,
        word: 'last failed call',
        title: `${titleOf(call.model ?? 'A call', call.provider)}: ${words}`,
        ...call,
        why: call.reason,
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
          : `${counted(later.length, 'call')} succeeded since${place}.`,
      ),
    )
  }
  const newest = failures.toSorted((one, other) => Date.parse(other.last_at) - Date.parse(one.last_at))[0]
  if (newest === undefined) return undefined
  const { count: calls, last_at, reason, fix } = newest
  return h(
    Card,
    { tone: 'warn', word: 'last failure', title: titleOf(newest.code, newest.provider), why: reason, fix },
    box('p', 'quiet', `${counted(calls, 'call')} in 24 hours, the last at ${time(last_at, now)}.`),
  )
}

function titleOf(name: string, provider: string | null): string {
  return provider === null ? name : `${name} at ${provider}`
}

interface CardProperties {
  readonly tone: Tone
  readonly word: string
  readonly title: string
  readonly why: string | null
  readonly fix: string | null
  readonly children?: unknown
}

function Card({ tone, word, title, why, fix, children }: CardProperties): VNode {
  return h(
    'article',
    { class: `card ${tone}` },
    box('div', 'head', h('h3', null, title), state(tone, word)),
    why && h('p', null, why),
    fix && h('p', null, h('strong', null, 'What to do: '), fix),
    children as VNode,
  )
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
