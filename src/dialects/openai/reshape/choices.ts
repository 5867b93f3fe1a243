// Chat and text completions in their other form: chunks become one body, and a body becomes chunks.
// https://platform.openai.com/docs/api-reference/chat-streaming
import { isObject, type JsonObject, membersOf, parseJson } from '../../../bytes/json/parse.ts'
import type { Reshape } from '../../translator.ts'
import { type Encodable, encodeWhole } from '../../../bytes/json/encode.ts'
import { heldBytes } from '../../../bytes/json/held-bytes.ts'
import { JsonView, viewJson } from '../../../bytes/json/view.ts'
import { GatewayError } from '../../../errors.ts'
import { assembledBy, doneEvent, splitInto } from './forms.ts'
import { Merging } from './merging.ts'
import { progressIn, progressMember } from './progress.ts'

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
        add: (data) => assembly.add(data),
        result: () => assembly.bytes(),
      })
    },
    toWhole: () => {
      const assembly = new Assembly(form, false)
      return assembledBy({
        add: (data) => assembly.add(data),
        result: () => assembly.result(),
      })
    },
    toEvents: (value, hasUsage) => {
      const chunks = chunksOf(form, membersOf(value), hasUsage)
      return chunks && splitInto([...chunks.map((data) => ({ data })), doneEvent])
    },
  }
}

/** No server has a tenth as many members in its chunks. */
const maxMembers = 256
/** Of a request with a list of prompts, each has its choices. */
const maxChoices = 4_096
/** No model calls so many tools at once. */
const maxCalls = 4_096
/** What is held of an answer; a whole body that is translated may have as many bytes. */
const maxHeldBytes = 16_777_216
/** What a choice costs besides its pieces. */
const choiceBytes = 256

class Assembly {
  readonly #form: ChoiceForm
  readonly #envelope = new Map<string, unknown>()
  readonly #choices = new Map<number, JsonObject>()
  readonly #merging = new Merging()
  #envelopeBytes = 0
  /** In a choice. */
  #hasManyCalls = false
  /** Numbers stay as they were written, and nothing is left over of what the gateway has added to the request. */
  readonly #isExact: boolean

  constructor(form: ChoiceForm, isExact: boolean) {
    this.#form = form
    this.#isExact = isExact
  }

  /** @returns an error once there is more than is kept: no more is to be read. */
  add(data: Buffer): GatewayError | undefined {
    const { choices, object: _, ...envelope } = membersOf(parseJson(data))
    this.#addEnvelope(envelope, data)
    if (Array.isArray(choices)) for (const choice of choices) if (isObject(choice)) this.#addChoice(choice)
    const isOverfull =
      this.#envelope.size > maxMembers ||
      this.#choices.size > maxChoices ||
      this.#hasManyCalls ||
      this.#envelopeBytes + this.#choices.size * choiceBytes + this.#merging.heldBytes > maxHeldBytes
    return isOverfull ? tooMuch() : undefined
  }

  #addEnvelope(envelope: JsonObject, data: Buffer): void {
    let views: ReadonlyMap<string, JsonView> | undefined
    for (const [name, value] of Object.entries(envelope)) {
      if (value === null || (this.#isExact && name === progressMember)) continue
      if (this.#envelope.size > maxMembers) return
      const older = this.#envelope.get(name)
      if (older === value) continue
      let newer = value
      if (this.#isExact && typeof value === 'object') {
        views ??= viewJson(data).members()
        newer = views.get(name)?.detached()
      }
      this.#envelope.set(name, newer)
      this.#envelopeBytes += envelopeBytes(newer) - (older === undefined ? 0 : envelopeBytes(older))
    }
  }

  #addChoice(choice: JsonObject): void {
    const { index, delta: _delta, text: _text, finish_reason: reason, ...more } = choice
    const position = typeof index === 'number' ? index : 0
    const older = this.#choices.get(position)
    if (older === undefined && this.#choices.size > maxChoices) return
    const output = this.#form.outputOf(choice)
    const piece = { output, finish_reason: reason === '' ? null : reason, ...more }
    const whole = this.#merging.merge(older ?? {}, piece)
    this.#choices.set(position, whole)
    const calls = membersOf(whole['output'])['tool_calls']
    if (Array.isArray(calls) && calls.length > maxCalls) this.#hasManyCalls = true
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

function tooMuch(): GatewayError {
  const message =
    "The provider's stream has more members, choices, tool calls or bytes than are put together."
  return new GatewayError('provider_bad_response', message)
}

/** As it is held: a view costs what it shows. */
function envelopeBytes(value: unknown): number {
  return value instanceof JsonView ? viewBytes + value.end - value.start : heldBytes(value)
}

/** What a view with memory of its own costs besides. */
const viewBytes = 512

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

/** For each choice a chunk with its output and one with its end, then one with the usage. Undefined without output, or if they were too long. */
function chunksOf(form: ChoiceForm, value: JsonObject, hasUsage: boolean): string[] | undefined {
  const { choices, usage, object: _, ...envelope } = value
  if (!Array.isArray(choices) || choices.length === 0) return undefined
  const chunks: string[] = []
  let length = 0
  const addChunk = (chunkChoices: readonly object[], more: object = {}) => {
    const chunk = JSON.stringify({ ...envelope, object: form.chunkObject, choices: chunkChoices, ...more })
    length += chunk.length
    chunks.push(chunk)
  }
  for (const [position, choice] of choices.entries()) {
    const {
      index = position,
      message: _message,
      text: _text,
      finish_reason: reason,
      ...more
    } = membersOf(choice)
    const output = form.toChunk(membersOf(choice))
    // Each chunk repeats the members of the body.
    if (output === undefined || length > maxHeldBytes) return undefined
    addChunk([{ index, ...output, ...more, finish_reason: null }])
    // A whole body has no open end.
    addChunk([{ index, ...form.emptyChunk, finish_reason: reason ?? 'stop' }])
  }
  if (hasUsage && isObject(usage)) addChunk([], { usage })
  return chunks
}
