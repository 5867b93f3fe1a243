// Messages in their other form: the events of a stream become one message, and a message becomes the events that lead to it.
// https://docs.claude.com/en/docs/build-with-claude/streaming
import { isObject, type JsonObject, membersOf, parseJson } from '../../bytes/json/parse.ts'
import { type Encodable, encodeWhole } from '../../bytes/json/encode.ts'
import { heldBytes } from '../../bytes/json/held-bytes.ts'
import { type JsonView, viewJson, viewObject } from '../../bytes/json/view.ts'
import { eventData } from '../../bytes/sse.ts'
import { GatewayError } from '../../errors.ts'
import { type OutgoingEvent, splitInto } from '../openai/reshape/forms.ts'
import type { Reshape, ResponseTranslation, TranslatedStep } from '../translator.ts'
import { errorHeadOf } from './errors.ts'

export const messageReshape = {
  assemble: () => new AssembledMessage(true),
  toWhole: (): ResponseTranslation => new AssembledMessage(false),
  toEvents(value, _, body) {
    const message = membersOf(value)
    const { type, content } = message
    if (type !== 'message' || !Array.isArray(content)) return undefined
    return splitInto(eventsOf(message, content, body))
  },
} satisfies Reshape

/** A block with what its deltas have added. */
interface Block {
  readonly start: JsonObject
  /** As it stands in the start event, for servers that put all of it there. */
  readonly input: JsonView | undefined
  /** Member → text. */
  readonly texts: Map<string, string>
  readonly citations: JsonObject[]
}

/** No server has a tenth as many members at the end of a message, nor of counts. */
const maxMembers = 256
/** No message has a tenth as many. */
const maxBlocks = 4_096
/** What is held of a message; a whole body that is translated may have as many bytes. */
const maxHeldBytes = 16_777_216
/** Of the inputs of tools, in characters: they are parsed and written again in one piece. */
const maxInputLength = 4_194_304
/** What a block costs besides its members. */
const blockBytes = 512

/** Delta → the member that it adds to, in a delta and in a block. */
const textMembers: ReadonlyMap<unknown, string> = new Map([
  ['text_delta', 'text'],
  ['thinking_delta', 'thinking'],
  ['signature_delta', 'signature'],
  ['input_json_delta', 'partial_json'],
])

const nothing = Buffer.alloc(0)

class AssembledMessage implements ResponseTranslation {
  #message: JsonObject | undefined
  /** In the order in which they began. */
  readonly #blocks = new Map<unknown, Block>()
  readonly #end = new Map<string, unknown>()
  readonly #usage = new Map<string, unknown>()
  #heldBytes = 0
  #inputLength = 0
  /** Inputs are written as llama.cpp writes them, which parses them: without blanks, and empty where they are cut. */
  readonly #isExact: boolean

  constructor(isExact: boolean) {
    this.#isExact = isExact
  }

  head(): string {
    return 'application/json'
  }

  event(event: Buffer): TranslatedStep {
    const data = eventData(event)
    if (data !== undefined && errorHeadOf(data) !== undefined) return 'failed'
    const { type, index, message, content_block: start, delta, usage } = membersOf(data && parseJson(data))
    if (type === 'message_start') {
      this.#heldBytes += heldBytes(message) - heldBytes(this.#message)
      this.#message = membersOf(message)
    } else if (type === 'content_block_start') this.#start(index, membersOf(start), data!)
    else if (type === 'content_block_delta') this.#add(index, membersOf(delta))
    else if (type === 'message_delta') {
      this.#set(this.#end, Object.entries(membersOf(delta)))
      this.#set(
        this.#usage,
        Object.entries(membersOf(usage)).filter(([, value]) => value !== null),
      )
    } else if (type === 'message_stop') return 'over'
    return this.#isOverfull
      ? badStream('has more members, blocks or bytes, or longer inputs of tools, than are put together')
      : undefined
  }

  end(): Buffer | GatewayError {
    if (this.#message === undefined) return badStream('has no message_start')
    const content: Encodable[] = []
    for (const block of this.#blocks.values()) {
      const whole = wholeOf(block, this.#isExact)
      if (whole === undefined) {
        return badStream('ended with the input of a tool that is not a JSON object')
      }
      content.push(whole)
    }
    const usage = { ...membersOf(this.#message['usage']), ...Object.fromEntries(this.#usage) }
    const message = { ...this.#message, content, ...Object.fromEntries(this.#end), usage } as Encodable
    return encodeWhole(message)
  }

  whole(body: Buffer): Buffer {
    return body
  }

  error(_: unknown, body: Buffer): Buffer {
    return body
  }

  heartbeat(): Buffer {
    return nothing
  }

  get #isOverfull(): boolean {
    const members = Math.max(this.#end.size, this.#usage.size)
    return (
      members > maxMembers ||
      this.#blocks.size > maxBlocks ||
      this.#inputLength > maxInputLength ||
      this.#heldBytes > maxHeldBytes
    )
  }

  /** Reads no member again that came before and stays. */
  #set(members: Map<string, unknown>, newer: readonly (readonly [name: string, value: unknown])[]): void {
    for (const [name, value] of newer) {
      const older = members.has(name) ? heldBytes(members.get(name)) : -name.length
      this.#heldBytes += heldBytes(value) - older
      members.set(name, value)
    }
  }

  /** @param data valid during the call. */
  #start(index: unknown, start: JsonObject, data: Buffer): void {
    const hasInput = Object.keys(membersOf(start['input'])).length > 0
    const block = hasInput ? viewJson(data).members().get('content_block') : undefined
    const input = block?.members().get('input')?.detached()
    this.#blocks.set(index, { start, input, texts: new Map(), citations: [] })
    // A block that begins again counts again.
    this.#heldBytes += blockBytes + heldBytes(index) + heldBytes(start) + (input?.raw.length ?? 0)
  }

  #add(index: unknown, delta: JsonObject): void {
    const block = this.#blocks.get(index)
    if (block === undefined) return
    const { type, citation } = delta
    if (type === 'citations_delta' && isObject(citation)) {
      block.citations.push(citation)
      this.#heldBytes += heldBytes(citation)
    }
    const member = textMembers.get(type)
    const text = member === undefined ? undefined : delta[member]
    if (typeof text !== 'string') return
    block.texts.set(member!, (block.texts.get(member!) ?? '') + text)
    this.#heldBytes += text.length
    if (member === 'partial_json') this.#inputLength += text.length
  }
}

/** Undefined if its input is broken. */
function wholeOf({ start, input, texts, citations }: Block, isExact: boolean): Encodable | undefined {
  const whole: Record<string, unknown> = { ...start }
  if (input !== undefined) whole['input'] = input
  for (const [member, text] of texts) {
    if (member !== 'partial_json') whole[member] = `${stringOf(start[member])}${text}`
    else if (text !== '') {
      const streamed = viewObject(isExact ? rewritten(text) : text)
      if (streamed === undefined && !isExact) return undefined
      whole['input'] = streamed ?? {}
    }
  }
  if (citations.length > 0) whole['citations'] = citations
  return whole as Encodable
}

/** A string, a number that is not written as an integer, or blanks. */
const rewrittenTokens = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|[ \t\r\n]+/g

/** JSON as llama.cpp writes it again after parsing it; anything else as it is. */
function rewritten(text: string): string {
  if (viewObject(text) === undefined) return text
  return text.replaceAll(rewrittenTokens, (token) => {
    if (token.startsWith('"')) return JSON.stringify(JSON.parse(token))
    if (/^[ \t\r\n]/.test(token)) return ''
    return /[.eE]/.test(token) ? writtenDouble(Number(token)) : token
  })
}

/** As nlohmann/json writes a floating-point number: with a point or an exponent, which begins at other sizes than here. */
function writtenDouble(value: number): string {
  if (!Number.isFinite(value)) return 'null'
  if (Object.is(value, -0)) return '-0.0'
  const [digits, exponent] = value.toExponential().split('e') as [string, string]
  const power = Number(exponent)
  if (power >= -4 && power < 15) {
    const fixed =
      power < 0 ? value.toFixed(Math.min(100, digits.replace(/[-.]/g, '').length - 1 - power)) : String(value)
    return fixed.includes('.') ? fixed : `${fixed}.0`
  }
  const sign = power < 0 ? '-' : '+'
  return `${digits}e${sign}${String(Math.abs(power)).padStart(2, '0')}`
}

function stringOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function badStream(what: string): GatewayError {
  return new GatewayError('provider_bad_response', `The provider's stream ${what}.`)
}

/** What stands at the end of a stream. */
const endMembers = ['container', 'stop_details', 'stop_reason', 'stop_sequence'] as const

/** @param body the message as it was written, from which inputs are taken. */
function eventsOf(message: JsonObject, content: readonly unknown[], body: Buffer): OutgoingEvent[] {
  const usage = membersOf(message['usage'])
  const end = Object.fromEntries(
    endMembers.flatMap((name) => (name in message ? [[name, message[name]]] : [])),
  )
  const open = { content: [], stop_reason: null, stop_sequence: null, usage: { ...usage, output_tokens: 0 } }
  const written = viewJson(body).members().get('content')?.elements() ?? []
  return [
    event('message_start', { message: { ...message, ...open } }),
    ...content.flatMap((block, index) => blockEvents(index, membersOf(block), written[index])),
    event('message_delta', { delta: end, usage }),
    event('message_stop', {}),
  ]
}

function blockEvents(index: number, block: JsonObject, written: JsonView | undefined): OutgoingEvent[] {
  const { start, deltas } = partsOf(block, written)
  return [
    event('content_block_start', { index, content_block: start }),
    ...deltas.map((delta) => event('content_block_delta', { index, delta })),
    event('content_block_stop', { index }),
  ]
}

interface BlockParts {
  readonly start: JsonObject
  readonly deltas: readonly JsonObject[]
}

function partsOf(block: JsonObject, written: JsonView | undefined): BlockParts {
  const { type, text, thinking, signature, input, citations } = block
  if (type === 'text') {
    const cited = Array.isArray(citations) ? citations : []
    const deltas = cited.map((citation: unknown) => ({ type: 'citations_delta', citation }))
    const start = { ...block, text: '', ...(cited.length > 0 && { citations: [] }) }
    return { start, deltas: [{ type: 'text_delta', text }, ...deltas] }
  }
  if (type === 'thinking') {
    return {
      start: { ...block, thinking: '', signature: '' },
      deltas: [
        { type: 'thinking_delta', thinking },
        { type: 'signature_delta', signature: signature ?? '' },
      ],
    }
  }
  if (!isObject(input)) return { start: block, deltas: [] }
  const json = written?.members().get('input')?.raw.toString() ?? JSON.stringify(input)
  return {
    start: { ...block, input: {} },
    deltas: [{ type: 'input_json_delta', partial_json: json }],
  }
}

function event(type: string, members: object): OutgoingEvent {
  return { event: type, data: JSON.stringify({ type, ...members }) }
}
