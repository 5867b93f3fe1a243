// One conversation with a model, kept in this tab only. Answers are text: no markup of theirs is ever read.
import type { VNode } from 'preact'
import type { RecentCall } from '../status-report.ts'
import { startChat, type Turn } from './conversation.ts'
import { h, stateful } from './element.ts'
import { counted, duration, rate } from './format.ts'
import { button, field, form, quiet, section } from './parts.ts'

interface Spoken extends Turn {
  /** Which model is asked, or answers. */
  readonly model: string
  readonly reasoning?: string
}

/** How an answer goes: pieces and milliseconds, until the gateway's own counts are there. */
interface Pace {
  readonly requestId: string | null
  readonly pieces: number
  readonly firstMs: number
  readonly ms: number
}

interface View {
  readonly turns: readonly Spoken[]
  readonly pace?: Pace | undefined
  /** Stops the answer that is under way. */
  readonly stopper?: AbortController | undefined
}

interface Properties {
  readonly recent: readonly RecentCall[]
  readonly models: readonly string[]
}

export const Playground = stateful<Properties, View>({ turns: [] }, ({ recent, models }, view, change) => {
  const { turns, pace, stopper } = view
  const isBusy = stopper !== undefined
  return section(
    'try',
    'Try a model',
    null,
    turns.length > 0 &&
      h(
        'div',
        { class: 'panel', role: 'log', 'aria-busy': isBusy, 'aria-label': 'Conversation', tabIndex: 0 },
        turns.map(shownTurn),
      ),
    pace
      ? quiet(paceText(pace, recent))
      : isBusy && quiet('No answer yet. The calls under way show what it waits for.'),
    form(
      (values, sent) => {
        if (isBusy) return
        sent.querySelector('textarea')!.value = ''
        const model = values.get('model') as string
        void ask([...turns, { role: 'user', content: values.get('content') as string, model }], change)
      },
      field(
        'Model',
        h(
          'select',
          { name: 'model' },
          models.map((model) => h('option', { key: model }, model)),
        ),
      ),
      field(
        'Message',
        h('textarea', { name: 'content', rows: 3, required: true, onKeyDown: sendOnEnter }),
        'wide',
      ),
      h('button', { class: 'main', disabled: isBusy || models.length === 0 }, 'Send'),
      button('Stop', () => stopper?.abort(), { disabled: !isBusy }),
      button(
        'New conversation',
        () => {
          stopper?.abort()
          change({ pace: undefined, turns: [] })
        },
        { disabled: turns.length === 0 },
      ),
      quiet('Stays in this tab; its calls count and cost like all others.'),
    ),
  )
})

async function ask(asked: readonly Spoken[], change: (members: Partial<View>) => void): Promise<void> {
  const { model } = asked.at(-1)!
  const stopper = new AbortController()
  const { signal } = stopper
  change({ pace: undefined, turns: asked, stopper })
  const start = performance.now()
  let answer: Spoken = { role: 'assistant', content: '', reasoning: '', model }
  let [number, firstMs] = [0, 0]
  const say = (more: Partial<Spoken>) => {
    answer = { ...answer, ...more }
    change({ turns: [...asked, answer] })
  }
  try {
    const { requestId, pieces } = await startChat(model, asked, signal)
    for await (const { text, isReasoning } of pieces) {
      if (signal.aborted) break
      const ms = performance.now() - start
      if (number++ === 0) firstMs = ms
      say(isReasoning ? { reasoning: answer.reasoning + text } : { content: answer.content + text })
      change({ pace: { requestId, pieces: number, firstMs, ms } })
    }
  } catch (error) {
    if (!signal.aborted) say({ problem: (error as Error).message })
  }
  change({ stopper: undefined })
}

function sendOnEnter(event: KeyboardEvent): void {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  ;(event.currentTarget as HTMLTextAreaElement).form!.requestSubmit()
}

function shownTurn({ role, content, reasoning, model, problem }: Spoken, at: number): VNode {
  return h(
    'div',
    { key: at, class: 'turn' },
    h('h3', null, role === 'user' ? 'You' : model),
    reasoning && h('details', null, h('summary', null, 'Reasoning'), h('p', null, reasoning)),
    h('p', null, content),
    problem && h('p', { class: 'state bad', role: 'alert' }, problem),
  )
}

/** By the gateway's counts once the call is among the last ones, before that by the pieces that came. */
function paceText({ requestId, pieces, firstMs, ms }: Pace, recent: readonly RecentCall[]): string {
  const call = recent.find(({ id }) => id === requestId)
  const tokens = call?.completion_tokens
  const amount = tokens || pieces
  const speed = call?.tokens_per_second ?? (ms > firstMs ? (amount * 1000) / (ms - firstMs) : null)
  const pace = speed === null ? '' : ` ${rate(speed)} tokens/s,`
  return `${tokens ? '' : 'about '}${counted(amount, 'token')},${pace} the first after ${duration(firstMs)}`
}
