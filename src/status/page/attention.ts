// What needs a person: the last failure and the conditions that hold, with why and what to do.
import type { ComponentChildren, VNode } from 'preact'
import type { LastFailure, StatusReport } from '../status-report.ts'
import { box, h } from './element.ts'
import { count, counted, time } from './format.ts'
import { advice, code, empty, facts, quiet, section, state } from './parts.ts'
import { toneOf } from './words.ts'

export function attentionSection(report: StatusReport): VNode {
  const { attention, last_failure, recent, reload } = report
  const cards = [
    last_failure && lastFailure(last_failure),
    reload &&
      notes(`${counted(reload.problems.length, 'problem')}: the old configuration stays`, reload.problems),
    reload && notes('Changed, and applied by a restart only', reload.needs_restart),
    ...attention.map(({ subject, severity, state: stage, since, what, why, fix }) =>
      card(
        severity,
        severity,
        what,
        advice(why, fix),
        quiet(subject && `${subject}, `, 'since ', time(since), stage === 'pending' && ', not reported yet'),
      ),
    ),
  ].filter(Boolean)
  return section(
    'attention',
    'Needs attention',
    null,
    ...cards,
    recent.length === 0 ? firstCall(report) : cards.length === 0 && allWell(recent),
  )
}

function allWell(recent: StatusReport['recent']): VNode {
  const succeeded = recent.filter(({ outcome }) => outcome === 'ok').length
  return empty(
    state('good', 'Nothing'),
    `. Of the last ${counted(recent.length, 'call')}, ${count(succeeded)} succeeded.`,
  )
}

function lastFailure({
  severity,
  what,
  why,
  fix,
  at,
  client,
  status,
  code: cause,
  id,
  after,
}: LastFailure): VNode {
  return card(
    severity,
    'last failed call',
    what,
    advice(why, fix),
    facts(
      ['When', time(at)],
      ['Client', client],
      ['Status', `${status} ${cause ?? ''}`],
      ['Request', code(id)],
    ),
    quiet(after),
  )
}

/** @param name of a state, whose colour it has. */
function card(name: string, word: string, title: string, ...children: readonly ComponentChildren[]): VNode {
  return h(
    'article',
    { class: `card ${toneOf(name)}` },
    box('div', 'head', h('h3', null, title), state(name, word)),
    ...children,
  )
}

function notes(title: string, lines: readonly string[]): VNode | false {
  const list = lines.map((line) => h('li', null, line))
  return lines.length > 0 && card('warn', 'configuration', title, h('ul', null, list))
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
    terminal(`curl -N ${base}/chat/completions \\\n  -H 'content-type: application/json' \\\n  -d '${body}'`),
    h('p', null, "Clients that use OpenAI's SDK need two variables:"),
    terminal(`export OPENAI_BASE_URL=${base}\nexport OPENAI_API_KEY=not-needed`),
  )
}

function terminal(text: string): VNode {
  return h('pre', { tabIndex: 0 }, text)
}
