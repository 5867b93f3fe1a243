// The items of a response: each is added, grows by deltas, and is done with all that it has become.
// https://platform.openai.com/docs/api-reference/responses-streaming
import { isObject, parseJson } from '../../../bytes/json/parse.ts'
import { packReasoning } from '../reasoning-envelope.ts'
import type { EventWriter } from './event-writer.ts'
import { GrowingText } from './growing-text.ts'
import { type DeclaredTool, inputArgument } from './tools.ts'

/** `incomplete`: the response was cut within the item. */
export type ItemStatus = 'completed' | 'incomplete'

/** An item that can still grow. */
export interface OpenItem {
  /** Writes the last events of the item. @returns the whole item. */
  close(status: ItemStatus): object
}

/** Where an item stands, and how its events are written. */
export interface Place {
  /** Of the item, with the prefix of its type. */
  readonly id: string
  /** Among the items of the response. */
  readonly index: number
  readonly events: EventWriter
}

/** What the model reasons, which clients show as a summary. */
export class ReasoningItem implements OpenItem {
  readonly #place: Place
  readonly #isPacked: boolean
  readonly #beginning: string
  readonly #details: unknown[] = []
  readonly #text = new GrowingText()

  /** @param isPacked the client wants to send it back as encrypted content. */
  constructor(place: Place, isPacked: boolean) {
    this.#place = place
    this.#isPacked = isPacked
    this.#beginning = `"item_id":"${place.id}","output_index":${place.index},"summary_index":0,`
    place.events.emit('response.output_item.added', {
      output_index: place.index,
      item: { id: place.id, type: 'reasoning', summary: [] },
    })
  }

  addDetails(details: readonly unknown[]): void {
    for (const detail of details) this.#details.push(detail)
  }

  add(text: string): void {
    const { events } = this.#place
    if (this.#text.isEmpty) this.#emitPart('added', '')
    this.#text.add(text)
    events.emitDelta('response.reasoning_summary_text.delta', this.#beginning, text)
  }

  close(): object {
    const { id, index, events } = this.#place
    const text = this.#text.take()
    if (text !== '') {
      events.emit('response.reasoning_summary_text.done', { ...this.#at(), text })
      this.#emitPart('done', text)
    }
    const item = {
      id,
      type: 'reasoning',
      summary: text === '' ? [] : [{ type: 'summary_text', text }],
      ...(this.#isPacked && { encrypted_content: packReasoning({ text, details: this.#details }) }),
    }
    events.emit('response.output_item.done', { output_index: index, item })
    return item
  }

  #emitPart(what: 'added' | 'done', text: string): void {
    const part = { type: 'summary_text', text }
    this.#place.events.emit(`response.reasoning_summary_part.${what}`, { ...this.#at(), part })
  }

  #at(): object {
    return { item_id: this.#place.id, output_index: this.#place.index, summary_index: 0 }
  }
}

/** The part of a message that grows. */
interface MessagePart {
  readonly type: 'output_text' | 'refusal'
  readonly beginning: string
  readonly text: GrowingText
  readonly annotations: unknown[]
  /** The elements of the list as JSON. */
  readonly logprobs: GrowingText
}

/** What the model writes: text, or a refusal. */
export class MessageItem implements OpenItem {
  readonly #place: Place
  readonly #parts: object[] = []
  #open: MessagePart | undefined

  constructor(place: Place) {
    this.#place = place
    place.events.emit('response.output_item.added', {
      output_index: place.index,
      item: { id: place.id, type: 'message', status: 'in_progress', role: 'assistant', content: [] },
    })
  }

  /** @param logprobs of the text: the elements of a list as JSON. */
  addText(text: string, logprobs: string): void {
    const part = this.#partOf('output_text')
    part.text.add(text)
    if (logprobs !== '') part.logprobs.add(part.logprobs.isEmpty ? logprobs : `,${logprobs}`)
    this.#place.events.emitDelta(
      'response.output_text.delta',
      `${part.beginning}"logprobs":[${logprobs}],`,
      text,
    )
  }

  addRefusal(text: string): void {
    const part = this.#partOf('refusal')
    part.text.add(text)
    this.#place.events.emitDelta('response.refusal.delta', part.beginning, text)
  }

  /** @param annotations of the text so far. */
  annotate(annotations: readonly unknown[]): void {
    const part = this.#open
    if (part?.type !== 'output_text') return
    for (const annotation of annotations) {
      const at = { ...this.#at(), annotation_index: part.annotations.length }
      this.#place.events.emit('response.output_text.annotation.added', { ...at, annotation })
      part.annotations.push(annotation)
    }
  }

  close(status: ItemStatus): object {
    const { id, index, events } = this.#place
    this.#closePart()
    const item = { id, type: 'message', status, role: 'assistant', content: this.#parts }
    events.emit('response.output_item.done', { output_index: index, item })
    return item
  }

  #partOf(type: MessagePart['type']): MessagePart {
    if (this.#open?.type === type) return this.#open
    this.#closePart()
    const { id, index, events } = this.#place
    const beginning = `"item_id":"${id}","output_index":${index},"content_index":${this.#parts.length},`
    const [text, logprobs] = [new GrowingText(), new GrowingText()]
    const part = { type, beginning, text, annotations: [], logprobs }
    this.#open = part
    events.emit('response.content_part.added', { ...this.#at(), part: contentOf(part, '', []) })
    return part
  }

  #closePart(): void {
    const part = this.#open
    if (part === undefined) return
    const { events } = this.#place
    const { type } = part
    const text = part.text.take()
    const logprobs = JSON.parse(`[${part.logprobs.take()}]`) as unknown[]
    const content = contentOf(part, text, logprobs)
    if (type === 'refusal') events.emit('response.refusal.done', { ...this.#at(), refusal: text })
    else events.emit('response.output_text.done', { ...this.#at(), text, logprobs })
    events.emit('response.content_part.done', { ...this.#at(), part: content })
    this.#parts.push(content)
    this.#open = undefined
  }

  #at(): object {
    const { id, index } = this.#place
    return { item_id: id, output_index: index, content_index: this.#parts.length }
  }
}

function contentOf(
  { type, annotations }: Pick<MessagePart, 'type' | 'annotations'>,
  text: string,
  logprobs: readonly unknown[],
): object {
  return type === 'refusal' ? { type, refusal: text } : { type, text, annotations, logprobs }
}

/** A call of a tool, as the client declared the tool. */
export class CallItem implements OpenItem {
  readonly #place: Place
  readonly #tool: DeclaredTool
  readonly #callId: string
  readonly #beginning: string
  readonly #args = new GrowingText()

  constructor(place: Place, tool: DeclaredTool, callId: string) {
    this.#place = place
    this.#tool = tool
    this.#callId = callId
    this.#beginning = `"item_id":"${place.id}","output_index":${place.index},`
    place.events.emit('response.output_item.added', {
      output_index: place.index,
      item: this.#item('in_progress', ''),
    })
  }

  add(text: string): void {
    this.#args.add(text)
    // The input of a custom tool is known once its wrapper is whole.
    if (this.#tool.kind === 'custom') return
    this.#place.events.emitDelta('response.function_call_arguments.delta', this.#beginning, text)
  }

  close(status: ItemStatus): object {
    const { id, index, events } = this.#place
    const at = { item_id: id, output_index: index }
    const isCustom = this.#tool.kind === 'custom'
    const args = this.#args.take()
    const content = isCustom ? unwrapped(args) : args
    if (isCustom) {
      if (content !== '') events.emitDelta('response.custom_tool_call_input.delta', this.#beginning, content)
      events.emit('response.custom_tool_call_input.done', { ...at, input: content })
    } else {
      events.emit('response.function_call_arguments.done', {
        ...at,
        name: this.#tool.name,
        arguments: content,
      })
    }
    const item = this.#item(status, content)
    events.emit('response.output_item.done', { output_index: index, item })
    return item
  }

  #item(status: ItemStatus | 'in_progress', content: string): object {
    const { kind, name, namespace } = this.#tool
    const isCustom = kind === 'custom'
    return {
      id: this.#place.id,
      type: isCustom ? 'custom_tool_call' : 'function_call',
      status,
      call_id: this.#callId,
      name,
      ...(namespace !== undefined && { namespace }),
      ...(isCustom ? { input: content } : { arguments: content }),
    }
  }
}

/** The input in the arguments of the function that stands for a custom tool; whatever the model wrote if it is not there. */
function unwrapped(args: string): string {
  const value = parseJson(args)
  const input = isObject(value) ? value[inputArgument] : undefined
  return typeof input === 'string' ? input : args
}
