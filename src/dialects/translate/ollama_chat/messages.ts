// The messages of a request of Ollama's API, as those of a chat request. https://docs.ollama.com/api/chat
import { type Encodable, TextOfJson } from '../../../bytes/json/encode.ts'
import type { JsonView } from '../../../bytes/json/view.ts'
import { type Members, memberIn } from '../members.ts'
import type { RequestContext } from './context.ts'
import { translateImages } from './images.ts'

const messageMembers: ReadonlySet<string> = new Set([
  'content',
  'images',
  'name',
  'role',
  'thinking',
  'tool_call_id',
  'tool_calls',
  'tool_name',
])
const callMembers: ReadonlySet<string> = new Set(['function', 'id', 'type'])
const functionMembers: ReadonlySet<string> = new Set(['arguments', 'index', 'name'])

const emptyText = ''

/** A call of the conversation whose result has not been seen. */
interface OpenCall {
  readonly id: JsonView | string
  readonly name: string | undefined
}

/** @returns the messages of the chat request. */
export function translateMessages(members: Members, context: RequestContext): readonly Encodable[] {
  const list = memberIn(members, 'messages')?.elements() ?? []
  const messages = list.map((each) => each.members())
  const conversation = new Conversation(context, firstWithReasoning(messages, context))
  return messages.map((message, at) => conversation.message(message, at))
}

/** The index of the first message whose reasoning goes to the provider. */
function firstWithReasoning(messages: readonly Members[], { traits }: RequestContext): number {
  if (traits.reasoningField === 'none') return Infinity
  if (traits.reasoningTurns === 'all') return 0
  return messages.findLastIndex((message) => message.get('role')?.text() === 'user') + 1
}

/** Gives the calls of a conversation their ids: in Ollama's API most have none, and results go by name and order. */
class Conversation {
  readonly #context: RequestContext
  readonly #firstWithReasoning: number
  readonly #open: OpenCall[] = []
  #calls = 0

  constructor(context: RequestContext, firstReasoning: number) {
    this.#context = context
    this.#firstWithReasoning = firstReasoning
  }

  message(message: Members, at: number): Encodable {
    const { notes } = this.#context
    const path = `messages.${at}.`
    notes.dropUnknown(message, messageMembers, 'messages.')
    const content = memberIn(message, 'content')
    if (content !== undefined && content.kind !== 'string') {
      notes.reject(`${path}content`, `${path}content: a text is required.`)
    }
    const role = message.get('role')?.text()
    if (role === 'assistant') return this.#assistant(message, path, at)
    if (role === 'tool') return this.#result(message, content, path)
    if (role === 'user' || role === 'system') {
      return { role, content: contentOf(content, translateImages(message, path, this.#context)) }
    }
    notes.reject(`${path}role`, `${path}role: "user", "assistant", "system" or "tool" is required.`)
    return null
  }

  #assistant(message: Members, path: string, at: number): Encodable {
    const { notes, traits } = this.#context
    const content = memberIn(message, 'content')
    const list = memberIn(message, 'tool_calls')
    const calls = list?.elements().map((call, index) => this.#call(call, `${path}tool_calls.${index}`)) ?? []
    const thinking = memberIn(message, 'thinking')
    const hasThinking = thinking?.kind === 'string' && thinking.rawText.length > 0
    const keepsThinking = hasThinking && at >= this.#firstWithReasoning
    if (hasThinking && !keepsThinking) notes.drop('messages.thinking')
    if (memberIn(message, 'images') !== undefined) notes.drop('messages.images')
    const hasText = content !== undefined && content.rawText.length > 0
    return {
      role: 'assistant',
      content: hasText ? content : calls.length > 0 ? null : emptyText,
      ...(keepsThinking && { [traits.reasoningField]: thinking }),
      tool_calls: calls.length > 0 ? calls : undefined,
    }
  }

  #call(call: JsonView, path: string): Encodable {
    const { notes } = this.#context
    const declared = call.members()
    notes.dropUnknown(declared, callMembers, 'messages.tool_calls.')
    const called: Members = declared.get('function')?.members() ?? new Map()
    notes.dropUnknown(called, functionMembers, 'messages.tool_calls.function.')
    const name = called.get('name')
    const args = memberIn(called, 'arguments')
    const isCall = name?.kind === 'string' && (args === undefined || args.kind === 'object')
    if (!isCall)
      notes.reject(path, `${path}: a function with a "name" and an object as "arguments" is required.`)
    const own = memberIn(declared, 'id')
    const id = own?.kind === 'string' && own.rawText.length > 0 ? own : `call_${this.#calls}`
    this.#calls += 1
    this.#open.push({ id, name: name?.text() })
    const text = args === undefined ? '{}' : new TextOfJson(args)
    const sent = this.#context.names.toProvider(name?.text() ?? '')
    return { id, type: 'function', function: { name: sent, arguments: text } }
  }

  #result(message: Members, content: JsonView | undefined, path: string): Encodable {
    const { notes, model } = this.#context
    const own = memberIn(message, 'tool_call_id')
    const name = (memberIn(message, 'tool_name') ?? memberIn(message, 'name'))?.text()
    const at = this.#open.findIndex((call) => isOf(call, own?.text(), name))
    const [call] = this.#open.splice(at < 0 ? 0 : at, 1)
    if (memberIn(message, 'images') !== undefined) {
      notes.refuse(
        `${path}images`,
        `${path}images: the provider of ${model} takes only texts as results of tools.`,
      )
    }
    if (call === undefined) {
      const param = path.slice(0, -1)
      notes.refuse(param, `${param}: the provider of ${model} accepts a result only after its tool call.`)
    }
    return { role: 'tool', tool_call_id: own ?? call?.id ?? null, content: content ?? emptyText }
  }
}

/** Whether a result belongs to a call: by its id, else by its name; without either to the first. */
function isOf(call: OpenCall, id: string | undefined, name: string | undefined): boolean {
  if (id !== undefined) return (typeof call.id === 'string' ? call.id : call.id.text()) === id
  return name === undefined || call.name === name
}

/** The content of a chat message: a text alone, or the parts with images. */
export function contentOf(text: JsonView | undefined, images: readonly Encodable[]): Encodable {
  if (images.length === 0) return text ?? emptyText
  const hasText = text !== undefined && text.rawText.length > 0
  return hasText ? [{ type: 'text', text }, ...images] : images
}
