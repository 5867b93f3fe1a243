// The output of a response while it comes in: pieces become items. Calls may grow side by side; what the model writes after
// a call or after further reasoning is a message of its own.
import { isObject, membersOf } from '../../../bytes/json/parse.ts'
import type { ErrorFields } from '../../dialect.ts'
import type { ChatCall } from '../chat-calls.ts'
import type { ChatSink } from '../chat-chunks.ts'
import type { EventWriter } from './event-writer.ts'
import {
  CallItem,
  type ItemStatus,
  MessageItem,
  type OpenItem,
  type Place,
  ReasoningItem,
} from './output-items.ts'
import type { DeclaredTool } from './tools.ts'

export interface OutputOptions {
  /** By the names for chat. */
  readonly tools: ReadonlyMap<string, DeclaredTool>
  /** The client wants to send the reasoning back without reading it. */
  readonly wantsEncryptedReasoning: boolean
  readonly newId: () => string
}

/** An error that the provider reports in place of the rest. */
export interface ProviderError {
  readonly fields: ErrorFields
  /** As if it were a response of its own. */
  readonly status: number
}

/**
 * The longest output, in characters and with its log probabilities; a whole body that is translated may have as many bytes.
 * All of it is held, because the last events of a stream repeat it.
 */
const maxHeldLength = 16_777_216

/** What an item, or a part of a message, costs besides its texts. */
const itemLength = 1024

/** Of one response. */
export class ResponseOutput implements ChatSink {
  /** Characters of all that has come in. */
  characters = 0
  /** The same with everything else that is held. */
  #heldLength = 0
  failure: ProviderError | undefined
  readonly #options: OutputOptions
  readonly #events: EventWriter
  /** Items that are done, by their index. */
  readonly #done: object[] = []
  readonly #open = new Map<OpenItem, number>()
  #nextIndex = 0
  #reasoning: ReasoningItem | undefined
  #message: MessageItem | undefined
  /** Of the last piece of a message. */
  #partType: 'text' | 'refusal' | undefined
  /** Of the next text: the elements of a list as JSON. */
  #logprobs = ''
  /** By the call's position. */
  readonly #calls: CallItem[] = []

  constructor(options: OutputOptions, events: EventWriter) {
    this.#options = options
    this.#events = events
  }

  /** The items that are done. */
  get items(): readonly object[] {
    // Items that never end leave holes.
    return this.#done.filter((item) => item !== undefined)
  }

  get isOverfull(): boolean {
    return this.#heldLength > maxHeldLength
  }

  /** They are only for the provider. */
  reasoningDetails(details: readonly unknown[]): void {
    if (!this.#options.wantsEncryptedReasoning) return
    this.#heldLength += JSON.stringify(details).length
    this.#openReasoning().addDetails(details)
  }

  reasoning(text: string): void {
    this.#count(text)
    this.#openReasoning().add(text)
  }

  text(text: string): void {
    this.#count(text)
    this.#countPart('text')
    const logprobs = this.#logprobs
    this.#logprobs = ''
    this.#openMessage().addText(text, logprobs)
  }

  logprobs(tokens: readonly unknown[]): void {
    const list = JSON.stringify(tokens).slice(1, -1)
    this.#heldLength += list.length
    this.#logprobs = this.#logprobs === '' ? list : `${this.#logprobs},${list}`
  }

  annotations(annotations: readonly unknown[]): void {
    if (this.#message === undefined) return
    this.#heldLength += JSON.stringify(annotations).length
    this.#message.annotate(annotations.map(asResponseAnnotation))
  }

  refusal(text: string): void {
    this.#count(text)
    this.#countPart('refusal')
    this.#openMessage().addRefusal(text)
  }

  callStart({ position, id, name }: ChatCall): void {
    this.#endReasoning()
    this.#endMessage()
    const { tools, newId } = this.#options
    const tool: DeclaredTool = tools.get(name) ?? { kind: 'function', name, namespace: undefined }
    const prefix = tool.kind === 'custom' ? 'ctc' : 'fc'
    this.#calls[position] = this.#add(prefix, (place) => new CallItem(place, tool, id ?? `call_${newId()}`))
  }

  callArguments({ position }: ChatCall, text: string): void {
    this.#count(text)
    this.#calls[position]!.add(text)
  }

  error(fields: ErrorFields, status: number): void {
    this.failure = { fields, status }
  }

  /** Ends the open items, in their order. @param status of those that the end of the response has cut. */
  close(status: ItemStatus): void {
    for (const item of this.#open.keys()) this.#close(item, status)
  }

  #count(text: string): void {
    this.characters += text.length
    this.#heldLength += text.length
  }

  #countPart(type: 'text' | 'refusal'): void {
    if (type !== this.#partType) this.#heldLength += itemLength
    this.#partType = type
  }

  #openReasoning(): ReasoningItem {
    this.#endMessage()
    const { wantsEncryptedReasoning } = this.#options
    return (this.#reasoning ??= this.#add('rs', (place) => new ReasoningItem(place, wantsEncryptedReasoning)))
  }

  #openMessage(): MessageItem {
    this.#endReasoning()
    return (this.#message ??= this.#add('msg', (place) => new MessageItem(place)))
  }

  #endReasoning(): void {
    if (this.#reasoning !== undefined) this.#close(this.#reasoning, 'completed')
    this.#reasoning = undefined
  }

  #endMessage(): void {
    if (this.#message !== undefined) this.#close(this.#message, 'completed')
    this.#message = undefined
  }

  #add<Item extends OpenItem>(prefix: string, create: (place: Place) => Item): Item {
    const index = this.#nextIndex++
    this.#heldLength += itemLength
    const item = create({ id: `${prefix}_${this.#options.newId()}`, index, events: this.#events })
    this.#open.set(item, index)
    return item
  }

  #close(item: OpenItem, status: ItemStatus): void {
    this.#done[this.#open.get(item)!] = item.close(status)
    this.#open.delete(item)
  }
}

/** Chat has the members of a citation below its type, the Responses API beside it. */
function asResponseAnnotation(annotation: unknown): unknown {
  const { type, url_citation: citation, ...more } = membersOf(annotation)
  return isObject(citation) ? { type: 'url_citation', ...citation } : { type, ...more }
}
