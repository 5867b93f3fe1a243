// Calls under way, with the button that stops one.
import type { ComponentChildren, VNode } from 'preact'
import type { StatusReport } from '../status-report.ts'
import { box, h, stateful } from './element.ts'
import { count, counted, duration, none, rate } from './format.ts'
import { button, type Column, empty, quiet, section, state, table, two } from './parts.ts'
import { posted, request } from './requests.ts'

type OpenCall = StatusReport['calls'][number]

export function callsSection({ calls, calls_unshown, viewer }: StatusReport): VNode {
  const inLine = calls.filter(({ phase }) => phase === 'in_line').length
  return section(
    'calls',
    'Calls under way',
    quiet(
      counted(calls.length + calls_unshown, 'call'),
      inLine > 0 && `, ${count(inLine)} in line`,
      calls_unshown > 0 && `, ${count(calls_unshown)} not shown`,
      !viewer.sees_all && '; you see your own',
    ),
    table(
      'Calls under way, the oldest first',
      calls,
      viewer.may_cancel ? [...columns, stopColumn] : columns,
    ) || empty('No call is under way. A new one appears here within a second.'),
  )
}

const columns: readonly Column<OpenCall>[] = [
  ['Model', '', (call) => two(call.model ?? 'not known yet', call.dialect)],
  ['Client', 'm', ({ client, key }) => two(client, key !== client && key)],
  [
    'Target',
    'm',
    ({ provider, target_model, model }) => two(provider ?? none, target_model !== model && target_model),
  ],
  ['Phase', 'text', phaseCell],
  ['For', 'n', 'age_ms', duration],
  [
    'In line',
    'n l',
    ({ wait_ms, program }) => two(duration(wait_ms || null), program && `program ${program}`),
  ],
  ['First token', 'n l', 'first_token_ms', duration],
  ['Prompt', 'n l', 'prompt_tokens', count],
  ['Tokens', 'n', 'tokens', count],
  ['Tokens/s', 'n', 'tokens_per_second', rate],
]

function phaseCell({ phase, waits_for, attempt }: OpenCall): ComponentChildren {
  const shown = waits_for ? state('warn', waits_for) : state(phase)
  return two(shown, attempt > 1 && `attempt ${attempt}`)
}

interface Stopping {
  /** The last two are shown as they are. */
  readonly step: 'idle' | 'asking' | 'stopping' | 'has ended'
}

/** Asks once more before it stops the call. */
const Stop = stateful<{ readonly id: string; readonly name: string }, Stopping>(
  { step: 'idle' },
  ({ id, name }, { step }, change) => {
    const label = `Stop the call to ${name}`
    const stop = async ({ currentTarget }: MouseEvent) => {
      // A keyboard's focus leaves the row that is about to go: for the button of a neighbour, else for the section.
      const row = (currentTarget as HTMLElement).closest('tr')!
      const next = row.nextElementSibling ?? row.previousElementSibling
      focus(next?.querySelector('button') ?? row.closest('section'))
      change({ step: 'stopping' })
      const answer = await request('/status/cancel', posted({ id }))
      if (!answer.ok) change({ step: answer.status === 404 ? 'has ended' : 'idle' })
    }
    if (step === 'idle') return button('Stop', () => change({ step: 'asking' }), { 'aria-label': label })
    if (step !== 'asking') return box('span', 'quiet', step)
    return h(
      'span',
      { class: 'ask', role: 'group', 'aria-label': label },
      button('Stop it', (event) => void stop(event), { class: 'danger' }),
      // A keyboard's focus stays where the button was, on the harmless answer.
      button('Keep', () => change({ step: 'idle' }), { ref: focus }),
    )
  },
)

function focus(element: HTMLElement | null): void {
  element?.focus()
}

const stopColumn: Column<OpenCall> = [
  'Stop',
  'act',
  ({ id, model, client }) => h(Stop, { id, name: `${model ?? 'no model'} of ${client}, ${id}` }),
]
