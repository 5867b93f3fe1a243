// The keys of `top`: which key a terminal has sent, and what it changes.
import type { ShownCall } from '../running-calls.ts'

export type Key =
  | 'up'
  | 'down'
  | 'first'
  | 'last'
  | 'cancel'
  | 'yes'
  | 'help'
  | 'quit'
  | 'interrupt'
  | 'other'

/** What a person has chosen so far. */
export interface Choice {
  /** Id of the selected call; undefined, or of a call that has ended: the first one is selected. */
  readonly selected: string | undefined
  readonly mode: 'calls' | 'help' | Confirmation
  /** For a line at the bottom, until the next key. */
  readonly notice: string | undefined
}

/** A call that is to be cancelled, if the person agrees. */
interface Confirmation {
  readonly call: ShownCall
}

export const noChoice: Choice = { selected: undefined, mode: 'calls', notice: undefined }

export interface KeyResult {
  readonly choice: Choice
  readonly action: { readonly kind: 'quit' } | { readonly kind: 'cancel'; readonly id: string } | undefined
}

const letters: Readonly<Record<string, Key>> = {
  k: 'up',
  j: 'down',
  g: 'first',
  G: 'last',
  c: 'cancel',
  y: 'yes',
  '?': 'help',
  h: 'help',
  q: 'quit',
  '\u0003': 'interrupt',
}

const escape = '\u001b'

/** What follows the escape. */
const sequences: readonly (readonly [RegExp, Key])[] = [
  [/^[[O]A/, 'up'],
  [/^[[O]B/, 'down'],
  [/^(?:[[O]H|\[1~)/, 'first'],
  [/^(?:[[O]F|\[4~)/, 'last'],
  // Any other one that begins so (ECMA-48 §5.4), another letter with Alt, and the escape key alone.
  [/^\[[0-?]*[ -/]*[@-~]/, 'other'],
  [/^O?./su, 'other'],
  [/^/, 'other'],
]

/** @param text a piece of a terminal's input. */
export function readKeys(text: string): Key[] {
  const keys: Key[] = []
  let rest = text
  while (rest !== '') {
    const [length, key] = firstKey(rest)
    keys.push(key)
    rest = rest.slice(length)
  }
  return keys
}

function firstKey(text: string): readonly [length: number, key: Key] {
  if (!text.startsWith(escape)) {
    const [character = ''] = text
    return [character.length, letters[character] ?? 'other']
  }
  const rest = text.slice(escape.length)
  const [pattern, key] = sequences.find(([each]) => each.test(rest))!
  return [escape.length + pattern.exec(rest)![0].length, key]
}

/** @param calls as they are shown. */
export function pressKey(key: Key, choice: Choice, calls: readonly ShownCall[]): KeyResult {
  const next = { ...choice, notice: undefined }
  const stay = (changed: Partial<Choice> = {}): KeyResult => ({
    choice: { ...next, ...changed },
    action: undefined,
  })
  if (key === 'interrupt') return { choice: next, action: { kind: 'quit' } }
  const { mode } = choice
  if (mode === 'help')
    return key === 'quit' ? { choice: next, action: { kind: 'quit' } } : stay({ mode: 'calls' })
  if (mode !== 'calls') {
    const chosen = { ...next, mode: 'calls' } as const
    if (key !== 'yes') return { choice: { ...chosen, notice: 'Nothing was cancelled.' }, action: undefined }
    return { choice: chosen, action: { kind: 'cancel', id: mode.call.id } }
  }
  const index = selectedIndex(choice, calls)
  const select = (wanted: number) =>
    stay({ selected: calls[Math.max(0, Math.min(calls.length - 1, wanted))]?.id })
  switch (key) {
    case 'up':
      return select(index - 1)
    case 'down':
      return select(index + 1)
    case 'first':
      return select(0)
    case 'last':
      return select(calls.length - 1)
    case 'cancel': {
      const call = calls[index]
      return call === undefined
        ? stay({ notice: 'No call is under way.' })
        : stay({ selected: call.id, mode: { call } })
    }
    case 'help':
      return stay({ mode: 'help' })
    case 'quit':
      return { choice: next, action: { kind: 'quit' } }
    case 'yes':
    case 'other':
      return stay()
    default:
      return key satisfies never
  }
}

/** 0 where the selected call has ended, or none is selected. */
export function selectedIndex({ selected }: Choice, calls: readonly ShownCall[]): number {
  return Math.max(
    0,
    calls.findIndex(({ id }) => id === selected),
  )
}
