// Calls under way, with the button that stops one.
import { Component, type ComponentChildren, type VNode } from 'preact'
import { startWaitText } from '../services-text.ts'
import type { StatusReport } from '../status-report.ts'
import { box, h } from './element.ts'
import { count, counted, duration, none, rate, type Tone } from './format.ts'
import { button, type Column, empty, section, state, table, two } from './parts.ts'
import { cancelCall } from './requests.ts'

type OpenCall = StatusReport['calls'][number]

const phases: Readonly<Record<Exclude<OpenCall['phase'], 'starting'>, readonly [words: string, tone: Tone]>> =
  {
    reading: ['reading the request', 'calm'],
    in_line: ['in line', 'warn'],
    connecting: ['connecting', 'calm'],
    waiting: ['awaiting the first token', 'calm'],
    streaming: ['streaming', 'good'],
    whole: ['collecting the answer', 'good'],
  }

export function callsSection({ calls, calls_unshown, viewer }: StatusReport): VNode {
  const inLine = calls.filter(({ phase }) => phase === 'in_line').length
  const stop: Column<OpenCall>[] = viewer.may_cancel
    ? [['Stop', 'act', ({ id, model }) => h(Stop, { id, name: model ?? id })]]
    : []
  return section(
    'calls',
    'Calls under way',
    box(
      'p',
      'quiet',
      counted(calls.length + calls_unshown, 'call'),
      inLine > 0 && `, ${count(inLine)} in line`,
      calls_unshown > 0 && `, ${count(calls_unshown)} not shown`,
      !viewer.sees_all && '; you see your own',
    ),
    calls.length === 0
      ? empty('No call is under way. A new one appears here within a second.')
      : table('Calls under way, the oldest first', [...columns, ...stop], {
          rows: calls,
          keyOf: ({ id }) => id,
        }),
  )
}

const columns: readonly Column<OpenCall>[] = [
  ['Model', '', (call) => two(call.model ?? 'not known yet', call.dialect)],
  ['Client', 'm', (call) => two(call.client, call.key === call.client ? null : call.key)],
  [
    'Target',
    'm',
    ({ provider, target_model, model }) =>
      two(provider ?? none, target_model === model ? null : target_model),
  ],
  ['Phase', 'text', phaseCell],
  ['For', 'n', (call) => duration(call.age_ms)],
  [
    'In line',
    'n l',
    ({ wait_ms, program }) => two(duration(wait_ms || null), program && `program ${program}`),
  ],
  ['First token', 'n l', (call) => duration(call.first_token_ms)],
  ['Prompt', 'n l', (call) => count(call.prompt_tokens)],
  ['Tokens', 'n', (call) => count(call.tokens)],
  ['Tokens/s', 'n', (call) => rate(call.tokens_per_second)],
]

function phaseCell(call: OpenCall): ComponentChildren {
  const { phase, attempt } = call
  const [words, tone]: readonly [string, Tone] =
    phase === 'starting' ? [startWaitText(call), 'warn'] : (phases[phase] ?? [phase, 'calm'])
  return two(state(tone, words), attempt > 1 ? `attempt ${attempt}` : null)
}

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
    const answer = await cancelCall(this.props.id)
    if (!answer.ok) this.setState({ step: answer.status === 404 ? 'has ended' : 'idle' })
  }
}

function focus(element: HTMLElement | null): void {
  element?.focus()
}
