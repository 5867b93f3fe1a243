// A whole Messages response. https://docs.claude.com/en/api/messages
import { type Encodable, encodeWhole } from '../../../bytes/json/encode.ts'
import { viewObject } from '../../../bytes/json/view.ts'
import { GatewayError } from '../../../errors.ts'
import type { ChatCall } from '../chat-calls.ts'
import { messagesUsage } from '../messages-usage.ts'
import { badResponse } from '../errors.ts'
import type { MessageEnd, MessageHead, MessageOutput } from './output.ts'

type Block =
  | { readonly kind: 'text' | 'thinking'; readonly pieces: string[] }
  | { readonly kind: 'tool_use'; readonly call: ChatCall; readonly pieces: string[] }

/** Of one response, for a client that wants a whole body. */
export class WholeMessage implements MessageOutput {
  readonly #head: MessageHead
  readonly #blocks: Block[] = []

  constructor(head: MessageHead) {
    this.#head = head
  }

  reasoning(text: string): void {
    this.#add('thinking', text)
  }

  text(text: string): void {
    this.#add('text', text)
  }

  callStart(call: ChatCall): void {
    this.#blocks.push({ kind: 'tool_use', call, pieces: [] })
  }

  callArguments(call: ChatCall, text: string): void {
    const block = this.#blocks.find((each) => each.kind === 'tool_use' && each.call === call)
    block!.pieces.push(text)
  }

  /** @returns the body, or an error if a tool call has arguments that are no object. */
  end({ stopReason, stopSequence, usage }: MessageEnd): Buffer | GatewayError {
    const content: Encodable[] = []
    const isCut = stopReason === 'max_tokens' || stopReason === 'refusal'
    for (const block of this.#blocks) {
      // A call without all of its arguments cannot run; the stop reason shows that something is missing.
      if (isCut && block.kind === 'tool_use' && !block.call.args.isComplete) continue
      const encoded = this.#encodable(block)
      if (encoded instanceof GatewayError) return encoded
      content.push(encoded)
    }
    const { id, model } = this.#head
    const message = {
      id,
      type: 'message',
      role: 'assistant',
      model,
      content,
      stop_reason: stopReason,
      stop_sequence: stopSequence,
      usage: messagesUsage(usage) as Encodable,
    }
    return encodeWhole(message)
  }

  #add(kind: 'text' | 'thinking', text: string): void {
    const last = this.#blocks.at(-1)
    if (last?.kind === kind) last.pieces.push(text)
    else this.#blocks.push({ kind, pieces: [text] })
  }

  #encodable(block: Block): Encodable | GatewayError {
    const text = block.pieces.join('')
    switch (block.kind) {
      case 'text':
        return { type: 'text', text }
      case 'thinking':
        return { type: 'thinking', thinking: text, signature: '' }
      case 'tool_use': {
        const { names, newId } = this.#head
        const { id = `toolu_${newId()}`, name } = block.call
        const input = text.trim() === '' ? {} : viewObject(text)
        if (input === undefined) {
          const problem = 'has a tool call whose arguments are not a JSON object'
          return badResponse(`The provider's response ${problem}.`)
        }
        return { type: 'tool_use', id, name: names.toClient(name), input }
      }
      default:
        return block satisfies never
    }
  }
}
