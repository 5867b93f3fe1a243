// The events of a Messages stream. One block is open at a time: pieces of a block that has to wait for another one's end are
// held. https://docs.claude.com/en/docs/build-with-claude/streaming
import type { GatewayError } from '../../../errors.ts'
import type { ChatCall } from '../chat-calls.ts'
import { messagesUsage } from '../messages-usage.ts'
import { badResponse } from '../errors.ts'
import type { MessageEnd, MessageHead, MessageOutput } from './output.ts'

/** Characters that are held together; a provider that has more of them wait breaks off. */
const maxHeldLength = 16_777_216

interface Block {
  readonly kind: 'text' | 'thinking' | 'tool_use'
  /** The `content_block` of its start. */
  readonly start: string
  /** Of a block of kind `tool_use`. */
  readonly call: ChatCall | undefined
  /** What waits, in pieces. */
  readonly held: string[]
}

const deltaMembers = {
  text: '"type":"text_delta","text":',
  thinking: '"type":"thinking_delta","thinking":',
  tool_use: '"type":"input_json_delta","partial_json":',
} as const

const textStart = '{"type":"text","text":""}'
const thinkingStart = '{"type":"thinking","thinking":"","signature":""}'
/** Nothing is signed here, and nothing pretends to be. */
const emptySignature = '{"type":"signature_delta","signature":""}'

/** Of one response, for a client that wants events. */
export class MessageEvents implements MessageOutput {
  /** Why the response cannot be written as a stream; what came before it was. */
  problem: GatewayError | undefined
  readonly #head: MessageHead
  /** For the client, since the last `take`. */
  #written = ''
  #hasStarted = false
  /** The open block and those that wait for its end, in their order. */
  readonly #blocks: Block[] = []
  /** Of the open block. */
  #index = 0
  /** Begins each delta of the open block. */
  #deltaStart = ''
  #heldLength = 0

  constructor(head: MessageHead) {
    this.#head = head
  }

  /** The events since the last call; undefined if there are none. */
  take(): Buffer | undefined {
    if (this.#written === '') return undefined
    const bytes = Buffer.from(this.#written)
    this.#written = ''
    return bytes
  }

  /** Calling it again has no effect. */
  start(): void {
    if (this.#hasStarted) return
    this.#hasStarted = true
    const { id, model, promptTokens } = this.#head
    const usage = messagesUsage({
      promptTokens,
      cachedTokens: 0,
      cacheWriteTokens: 0,
      completionTokens: 0,
      reasoningTokens: undefined,
    })
    const open = { stop_reason: null, stop_sequence: null, usage }
    const message = { id, type: 'message', role: 'assistant', model, content: [], ...open }
    this.#event('message_start', `"message":${JSON.stringify(message)}`)
    this.#written += ping
  }

  reasoning(text: string): void {
    this.#add(this.#blockOf('thinking', thinkingStart), text)
  }

  text(text: string): void {
    this.#add(this.#blockOf('text', textStart), text)
  }

  callStart(call: ChatCall): void {
    const { names, newId } = this.#head
    const id = call.id ?? `toolu_${newId()}`
    const start = { type: 'tool_use', id, name: names.toClient(call.name), input: {} }
    this.#begin({ kind: 'tool_use', start: JSON.stringify(start), call, held: [] })
  }

  callArguments(call: ChatCall, text: string): void {
    const block = this.#blocks.find((each) => each.call === call)
    if (block !== undefined) this.#add(block, text)
    // Its block was closed because the arguments were whole.
    else if (text.trim() !== '')
      this.#fail("The provider's stream has arguments of a tool call after their end.")
  }

  end({ stopReason, stopSequence, usage }: MessageEnd): undefined {
    this.start()
    while (this.#blocks.length > 0) this.#closeFirst()
    const delta = JSON.stringify({ stop_reason: stopReason, stop_sequence: stopSequence })
    this.#event('message_delta', `"delta":${delta},"usage":${JSON.stringify(messagesUsage(usage))}`)
    this.#written += 'event: message_stop\ndata: {"type":"message_stop"}\n\n'
  }

  error(type: string, message: string): void {
    this.#event('error', `"error":${JSON.stringify({ type, message })}`)
  }

  /** Of a stream that has started. Some clients take only a delta for a sign of life. */
  heartbeat(): Buffer {
    const [open] = this.#blocks
    return Buffer.from(open === undefined ? ping : `${ping}${this.#deltaStart}""}}\n\n`)
  }

  /** The block for a text: the last one, if it is of the same kind. */
  #blockOf(kind: 'text' | 'thinking', start: string): Block {
    const last = this.#blocks.at(-1)
    if (last?.kind === kind) return last
    const block = { kind, start, call: undefined, held: [] }
    this.#begin(block)
    return block
  }

  #begin(block: Block): void {
    this.#blocks.push(block)
    if (this.#blocks.length === 1) this.#open(block)
    else this.#closeFinished()
  }

  #add(block: Block, text: string): void {
    if (block === this.#blocks[0]) {
      this.#written += `${this.#deltaStart}${JSON.stringify(text)}}}\n\n`
      if (block.call?.args.isComplete === true) this.#closeFinished()
      return
    }
    this.#heldLength += text.length
    if (this.#heldLength > maxHeldLength) {
      return this.#fail(
        "The provider's stream alternates between tool calls that are too long to be put in order.",
      )
    }
    block.held.push(text)
  }

  /** Closes the first blocks as far as nothing can follow in them and others wait. */
  #closeFinished(): void {
    while (this.#blocks.length > 1 && isFinished(this.#blocks[0]!)) this.#closeFirst()
  }

  #closeFirst(): void {
    const block = this.#blocks.shift()!
    if (block.kind === 'thinking') {
      this.#event('content_block_delta', `"index":${this.#index},"delta":${emptySignature}`)
    }
    this.#event('content_block_stop', `"index":${this.#index}`)
    this.#index += 1
    if (this.#blocks.length > 0) this.#open(this.#blocks[0]!)
  }

  #open(block: Block): void {
    this.start()
    const index = this.#index
    this.#event('content_block_start', `"index":${index},"content_block":${block.start}`)
    const members = `"index":${index},"delta":{${deltaMembers[block.kind]}`
    this.#deltaStart = `event: content_block_delta\ndata: {"type":"content_block_delta",${members}`
    if (block.held.length === 0) return
    const text = block.held.join('')
    this.#heldLength -= text.length
    this.#written += `${this.#deltaStart}${JSON.stringify(text)}}}\n\n`
  }

  #event(name: string, members: string): void {
    this.#written += `event: ${name}\ndata: {"type":"${name}",${members}}\n\n`
  }

  #fail(message: string): void {
    this.problem ??= badResponse(message)
  }
}

const ping = 'event: ping\ndata: {"type":"ping"}\n\n'

/** Arguments may still arrive of a call that has none yet. */
function isFinished({ call }: Block): boolean {
  return call === undefined || call.args.isComplete
}
