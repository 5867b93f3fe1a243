// Chat and text completions in their other form: chunks become one body, and a body becomes chunks.
// https://platform.openai.com/docs/api-reference/chat-streaming
import { isObject, type JsonObject, membersOf, parseJson } from '../../../bytes/json/parse.ts'
import type { Reshape } from '../../translator.ts'
import { type Encodable, encodeWhole } from '../../../bytes/json/encode.ts'
import { viewJson } from '../../../bytes/json/view.ts'
import { assembledBy, doneEvent, splitInto } from './forms.ts'
import { progressMember, progressIn } from './progress.ts'

interface ChoiceForm {
  readonly wholeObject: string
  readonly chunkObject: string
  /** What a chunk's choice brings, and the same in a whole choice. */
  readonly outputOf: (choice: JsonObject) => unknown
  readonly toWhole: (output: unknown) => JsonObject
  /** What llama.cpp writes in a whole choice where none of its chunks brought any. */
  readonly emptyWhole: (whole: JsonObject) => JsonObject
  /** The output of a whole choice for its first chunk; undefined if it has none. */
  readonly toChunk: (choice: JsonObject) => JsonObject | undefined
  readonly emptyChunk: JsonObject
}

const chatForm: ChoiceForm = {
  wholeObject: 'chat.completion',
  chunkObject: 'chat.completion.chunk',
  outputOf: ({ delta }) => delta,
  toWhole: (delta) => ({ message: { role: 'assistant', content: null, ...withoutCallIndexes(delta) } }),
  emptyWhole: (choice) => {
    const message = membersOf(choice['message'])
    return { ...choice, message: { ...message, content: message['content'] ?? '' } }
  },
  toChunk: ({ message }) =>
    isObject(message) ? { delta: { role: 'assistant', ...withCallIndexes(message) } } : undefined,
  emptyChunk: { delta: {} },
}

const textForm: ChoiceForm = {
  wholeObject: 'text_completion',
  chunkObject: 'text_completion',
  outputOf: ({ text }) => text,
  toWhole: (text) => ({ text: text ?? '' }),
  emptyWhole: (choice) => choice,
  toChunk: ({ text }) => (typeof text === 'string' ? { text } : undefined),
  emptyChunk: { text: '' },
}

export const chatReshape = reshapeOf(chatForm)
export const completionReshape = reshapeOf(textForm)

function reshapeOf(form: ChoiceForm): Reshape {
  return {
    progressIn,
    assemble: () => {
      const assembly = new Assembly(form, true)
      return assembledBy({
        add(data) {
          assembly.add(data)
          return false
        },
        result: () => assembly.bytes(),
      })
    },
    toWhole: () => {
      const assembly = new Assembly(form, false)
      return assembledBy({
        add(data) {
          assembly.add(data)
          return false
        },
        result: () => assembly.result(),
      })
    },
    toEvents: (value, hasUsage) => {
      const chunks = chunksOf(form, membersOf(value), hasUsage)
      return chunks && splitInto([...chunks.map((data) => ({ data })), doneEvent])
    },
  }
}

class Assembly {
  readonly #form: ChoiceForm
  readonly #envelope = new Map<string, unknown>()
  readonly #choices = new Map<number, JsonObject>()
  /** Numbers stay as they were written, and nothing is left over of what the gateway has added to the request. */
  readonly #isExact: boolean

  constructor(form: ChoiceForm, isExact: boolean) {
    this.#form = form
    this.#isExact = isExact
  }

  add(data: Buffer): void {
    const { choices, object: _, ...envelope } = membersOf(parseJson(data))
    for (const [name, value] of Object.entries(envelope)) {
      if (value === null || (this.#isExact && name === progressMember)) continue
      const isView = this.#isExact && typeof value === 'object'
      this.#envelope.set(name, isView ? viewJson(Buffer.from(data)).members().get(name) : value)
    }
    if (!Array.isArray(choices)) return
    for (const choice of choices.filter(isObject)) {
      const { index, delta: _delta, text: _text, finish_reason: reason, ...more } = choice
      const position = typeof index === 'number' ? index : 0
      const output = this.#form.outputOf(choice)
      const piece = { output, finish_reason: reason === '' ? null : reason, ...more }
      this.#choices.set(position, mergedObject(this.#choices.get(position) ?? {}, piece, 0))
    }
  }

  /** As `result`, as llama.cpp writes it. */
  bytes(): Buffer | undefined {
    const result = this.result()
    return result && encodeWhole(result as Encodable)
  }

  /** Undefined without any choice. */
  result(): JsonObject | undefined {
    if (this.#choices.size === 0) return undefined
    const choices = [...this.#choices]
      .toSorted(([one], [other]) => one - other)
      .map(([index, { output, ...more }]) => {
        const choice = { index, ...this.#form.toWhole(output), ...more }
        return this.#isExact ? this.#form.emptyWhole(choice) : choice
      })
    return { ...Object.fromEntries(this.#envelope), object: this.#form.wholeObject, choices }
  }
}

/** Texts that a chunk repeats, where others bring a further piece. */
const repeated: ReadonlySet<string> = new Set(['finish_reason', 'id', 'name', 'role', 'type'])

/** No known chunk is nested deeper where its pieces go on. */
const maxDepth = 8

function merged(older: unknown, newer: unknown, name: string, depth: number): unknown {
  if (newer === null || newer === undefined) return older ?? newer
  if (typeof older === 'string' && typeof newer === 'string') {
    return repeated.has(name) ? newer || older : older + newer
  }
  if (depth === maxDepth) return newer
  if (Array.isArray(newer)) return mergedList(Array.isArray(older) ? older : [], newer, depth + 1)
  return isObject(older) && isObject(newer) ? mergedObject(older, newer, depth + 1) : newer
}

/** Changes the older object: to copy what has come so far for each further piece would take minutes for long streams. */
function mergedObject(older: JsonObject, newer: JsonObject, depth: number): JsonObject {
  for (const [name, newest] of Object.entries(newer)) {
    const value = merged(Object.hasOwn(older, name) ? older[name] : undefined, newest, name, depth)
    // A name like `__proto__` is a member like any other.
    Object.defineProperty(older, name, { value, writable: true, enumerable: true, configurable: true })
  }
  return older
}

/** Of the items of a list that have an index: where they are. */
const positionsOf = new WeakMap<readonly unknown[], Map<number, number>>()

/** Items with an index go on in later chunks, as tool calls do; others are new ones. Changes the older list. */
function mergedList(older: unknown[], newer: readonly unknown[], depth: number): unknown[] {
  const positions = positionsOf.get(older) ?? new Map<number, number>()
  positionsOf.set(older, positions)
  for (const item of newer) {
    const { index } = membersOf(item)
    const at = typeof index === 'number' ? positions.get(index) : undefined
    if (at !== undefined) older[at] = merged(older[at], item, '', depth)
    else {
      if (typeof index === 'number') positions.set(index, older.length)
      older.push(item)
    }
  }
  return older
}

function withoutCallIndexes(delta: unknown): JsonObject {
  const { tool_calls: calls, ...message } = membersOf(delta)
  if (!Array.isArray(calls)) return message
  const whole = calls.filter(isObject).map((call) => {
    const { index: _, ...rest } = call
    return rest
  })
  return { ...message, tool_calls: whole }
}

function withCallIndexes({ tool_calls: calls, ...message }: JsonObject): JsonObject {
  if (!Array.isArray(calls)) return message
  return { ...message, tool_calls: calls.map((call, index) => ({ index, ...membersOf(call) })) }
}

/** For each choice a chunk with its output and one with its end, then one with the usage. Undefined without output. */
function chunksOf(form: ChoiceForm, value: JsonObject, hasUsage: boolean): string[] | undefined {
  const { choices, usage, object: _, ...envelope } = value
  if (!Array.isArray(choices) || choices.length === 0) return undefined
  const chunk = (chunkChoices: readonly object[], more: object = {}) =>
    JSON.stringify({ ...envelope, object: form.chunkObject, choices: chunkChoices, ...more })
  const chunks: string[] = []
  for (const [position, choice] of choices.entries()) {
    const {
      index = position,
      message: _message,
      text: _text,
      finish_reason: reason,
      ...more
    } = membersOf(choice)
    const output = form.toChunk(membersOf(choice))
    if (output === undefined) return undefined
    chunks.push(chunk([{ index, ...output, ...more, finish_reason: null }]))
    // A whole body has no open end.
    chunks.push(chunk([{ index, ...form.emptyChunk, finish_reason: reason ?? 'stop' }]))
  }
  if (hasUsage && isObject(usage)) chunks.push(chunk([], { usage }))
  return chunks
}
