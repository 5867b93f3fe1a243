// Reads a response of Anthropic's Messages API, event by event or as a whole, and hands on what it consists of.
// https://docs.claude.com/en/docs/build-with-claude/streaming
import { isObject, type JsonObject, membersOf, parseJson } from '../../../bytes/json/parse.ts'
import { type JsonView, viewJson } from '../../../bytes/json/view.ts'
import type { GatewayError } from '../../../errors.ts'
import { badResponse } from '../errors.ts'
import { newerCounts, type MessagesCounts } from './usage.ts'

/** Receives the pieces of one response, in their order. No piece of text is empty. */
export interface MessagesSink {
  text(text: string): void
  reasoning(text: string): void
  /** The whole of a block of reasoning that may be sent back: its text with the signature. Follows the pieces of its text. */
  signature(text: string, signature: string): void
  redactedReasoning(data: string): void
  /** Calls follow each other. */
  callStart(id: string, name: string): void
  /** The next piece of the last call's arguments. */
  callArguments(text: string): void
}

/** The longest reasoning that is held with its signature, in characters, with all else of the blocks that have not ended. */
const maxHeldLength = 16_777_216

/** What an open block costs besides its texts. */
const blockLength = 64

/** A block that has not ended. */
interface OpenBlock {
  readonly kind: 'text' | 'thinking' | 'call' | 'other'
  /** Of `thinking`: its pieces, to which the signature is bound. */
  text: string
  signature: string
  /** Of `call`: the input if none of it is streamed. */
  readonly wholeInput: string
  hasInput: boolean
}

/** `end` and `error`: nothing of the response follows. */
export type EventKind = 'piece' | 'end' | 'error'

/** The reader of one response: of its events one by one, or of the whole. */
export class MessagesReader {
  /** The newest, which are totals; undefined while none was reported. */
  counts: MessagesCounts | undefined
  stopReason: string | undefined
  hasCalls = false
  readonly #sink: MessagesSink
  readonly #open = new Map<unknown, OpenBlock>()
  /** Of the open blocks. */
  #heldLength = 0
  #isOver = false
  #problem: GatewayError | undefined

  constructor(sink: MessagesSink) {
    this.#sink = sink
  }

  /** Why the response is none of the format, or not whole; undefined if it is. */
  get problem(): GatewayError | undefined {
    if (this.#problem !== undefined || this.#isOver) return this.#problem
    return badResponse("The provider's stream ended before the response was complete.")
  }

  /**
   * To be called until it returns something else than `piece`.
   * @param data of an event.
   * @returns an error if the event breaks the format.
   */
  readEvent(data: Buffer): EventKind | GatewayError {
    const event = parseJson(data)
    if (!isObject(event)) return badResponse("The provider's stream has an event that is not a JSON object.")
    const kind = this.#read(event, data)
    return this.#problem ?? kind
  }

  #read(event: JsonObject, data: Buffer): EventKind {
    switch (typeOf(event)) {
      case 'content_block_delta':
        this.#readDelta(event['index'], membersOf(event['delta']))
        return 'piece'
      case 'content_block_start':
        this.#start(event['index'], membersOf(event['content_block']), () =>
          viewJson(data).members().get('content_block'),
        )
        return 'piece'
      case 'content_block_stop':
        this.#stop(event['index'])
        return 'piece'
      case 'message_start':
        this.#readUsage(membersOf(event['message']))
        return 'piece'
      case 'message_delta':
        this.#readEnd(membersOf(event['delta']))
        this.#readUsage(event)
        return 'piece'
      case 'message_stop':
        this.#finish()
        return 'end'
      case 'error':
        this.#isOver = true
        return 'error'
      default:
        return 'piece'
    }
  }

  /** @param value of the body, if it was parsed already. */
  readWhole(body: Buffer, value: unknown = parseJson(body)): void {
    const message = membersOf(value)
    const { content } = message
    if (!Array.isArray(content)) return this.#break('The provider\'s response has no list "content".')
    const views = viewJson(body).members().get('content')?.elements()
    for (const [index, block] of content.entries()) {
      this.#start(index, membersOf(block), () => views?.[index])
      if (this.#problem !== undefined) return
      this.#stop(index)
    }
    this.#readEnd(message)
    this.#readUsage(message)
    this.#isOver = true
  }

  /** @param view of the block, for what must stay as it was written. */
  #start(index: unknown, block: JsonObject, view: () => JsonView | undefined): void {
    const { type, text, thinking, signature, data } = block
    if (this.#open.has(index)) return this.#break("The provider's stream begins a block within itself.")
    const isCall = type === 'tool_use'
    const open: OpenBlock = {
      kind: type === 'text' || type === 'thinking' ? type : isCall ? 'call' : 'other',
      text: '',
      signature: '',
      hasInput: false,
      wholeInput: isCall ? inputOf(block, view) : '',
    }
    this.#open.set(index, open)
    this.#hold(lengthOf(open))
    if (type === 'text') this.#text(text)
    else if (type === 'thinking') {
      this.#think(open, thinking)
      this.#sign(open, signature)
    } else if (isCall) this.#call(block)
    else if (type === 'redacted_thinking' && typeof data === 'string') this.#sink.redactedReasoning(data)
  }

  #call({ id, name }: JsonObject): void {
    if (typeof id !== 'string' || typeof name !== 'string' || id === '' || name === '') {
      return this.#break("The provider's response has a tool call without an id or a name.")
    }
    this.hasCalls = true
    this.#sink.callStart(id, name)
  }

  #readDelta(index: unknown, delta: JsonObject): void {
    const block = this.#open.get(index)
    if (block === undefined)
      return this.#break("The provider's stream has a piece of a block that has not begun.")
    switch (delta['type']) {
      case 'text_delta':
        return block.kind === 'text' ? this.#text(delta['text']) : this.#mismatch(block)
      case 'thinking_delta':
        return block.kind === 'thinking' ? this.#think(block, delta['thinking']) : this.#mismatch(block)
      case 'signature_delta':
        return this.#sign(block, delta['signature'])
      case 'input_json_delta':
        return this.#input(block, delta['partial_json'])
    }
  }

  #text(text: unknown): void {
    if (typeof text === 'string' && text !== '') this.#sink.text(text)
  }

  #think(block: OpenBlock, text: unknown): void {
    if (typeof text !== 'string' || text === '') return
    if (!this.#hold(text.length)) return
    block.text += text
    this.#sink.reasoning(text)
  }

  #sign(block: OpenBlock, signature: unknown): void {
    if (typeof signature === 'string' && this.#hold(signature.length)) block.signature += signature
  }

  /** Blocks of tools that the server runs have input too, which is not for the client. */
  #input(block: OpenBlock, text: unknown): void {
    if (block.kind !== 'call') return block.kind === 'other' ? undefined : this.#mismatch(block)
    if (typeof text !== 'string' || text === '') return
    block.hasInput = true
    this.#sink.callArguments(text)
  }

  #stop(index: unknown): void {
    const block = this.#open.get(index)
    if (block === undefined) return
    this.#open.delete(index)
    this.#heldLength -= lengthOf(block)
    if (block.kind === 'thinking' && block.signature !== '') this.#sink.signature(block.text, block.signature)
    if (block.kind === 'call' && !block.hasInput) this.#sink.callArguments(block.wholeInput)
  }

  /** Some servers do not end their last block. */
  #finish(): void {
    for (const index of this.#open.keys()) this.#stop(index)
    this.#isOver = true
  }

  #readEnd({ stop_reason: reason }: JsonObject): void {
    if (typeof reason === 'string' && reason !== '') this.stopReason = reason
  }

  #readUsage({ usage }: JsonObject): void {
    if (isObject(usage)) this.counts = newerCounts(this.counts, usage)
  }

  #mismatch({ kind }: OpenBlock): void {
    if (kind !== 'other') this.#break("The provider's stream has a piece of another kind than its block.")
  }

  /** False: it is too much. */
  #hold(length: number): boolean {
    this.#heldLength += length
    if (this.#heldLength <= maxHeldLength) return true
    this.#break("The provider's response is too long to be translated.")
    return false
  }

  #break(message: string): void {
    this.#problem ??= badResponse(message)
  }
}

function typeOf({ type, error }: JsonObject): unknown {
  return type === undefined && error !== undefined && error !== null ? 'error' : type
}

function lengthOf({ text, signature, wholeInput }: OpenBlock): number {
  return blockLength + text.length + signature.length + wholeInput.length
}

/** The input in a block's start: whole in a whole response, `{}` where it is streamed. */
function inputOf({ input }: JsonObject, view: () => JsonView | undefined): string {
  if (typeof input === 'string') return input
  if (!isObject(input) || Object.keys(input).length === 0) return '{}'
  return view()?.members().get('input')?.raw.toString() ?? JSON.stringify(input)
}
