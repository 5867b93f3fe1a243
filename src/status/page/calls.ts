// Calls under way, with the button that stops one.
import { Component, type ComponentChildren, type VNode } from 'preact'
import type { StatusReport } from '../status-report.ts'
import { box, h } from './element.ts'
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
    table('Calls under way, the oldest first', calls, viewer.may_cancel ? [...columns, stop] : columns) ||
      empty('No call is under way. A new one appears here within a second.'),
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

const stop: Column<OpenCall> = ['Stop', 'act', ({ id, model }) => h(Stop, { id, name: model ?? id })]

interface StopState {
  /** The last two are shown as they are. */
  readonly step: 'idle' | 'asking' | 'stopping' | 'has ended'
}

/** Asks once more before it stops the call. */
class Stop extends Component<{ readonly id: string; readonly name: string }, StopState> {
  override state: StopState = { step: 'idle' }

  override render(): VNode {
    const label = `Stop the call to ${this.props.name}`
    const { step } = this.state
    if (step === 'idle') {
      return button('Stop', () => this.setState({ step: 'asking' }), { 'aria-label': label })
    }
    if (step !== 'asking') return box('span', 'quiet', step)
    return h(
      'span',
      { class: 'ask', role: 'group', 'aria-label': label },
      button('Stop it', () => void this.#stop(), { class: 'danger' }),
      // A keyboard's focus stays where the button was, on the harmless answer.
      button('Keep', () => this.setState({ step: 'idle' }), { ref: focus }),
    )
  }

  async #stop(): Promise<void> {
    this.setState({ step: 'stopping' })
    const answer = await request('/status/cancel', posted({ id: this.props.id }))
    if (!answer.ok) this.setState({ step: answer.status === 404 ? 'has ended' : 'idle' })
  }
}

function focus(element: HTMLElement | null): void {
  element?.focus()
}
