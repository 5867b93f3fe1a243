// The messages of a chat as Anthropic's turns: instructions apart, turns of a user and the assistant in alternation, and all
// results of an assistant's tool calls at the start of the turn that follows them.
// https://docs.claude.com/en/docs/agents-and-tools/tool-use/implement-tool-use#handling-tool-use-and-tool-result-content-blocks
import { append } from '../append.ts'
import type { ProviderTraits } from '../../../config/provider-types.ts'
import type { JsonView } from '../../../bytes/json/view.ts'
import { JoinedText, type Encodable } from '../../../bytes/json/encode.ts'
import { assistantBlocks, type CallContext, CallIds, resultBlocks } from './calls.ts'
import { type Block, blocksOf, isReasoning, textOf, withMarkOf } from './content.ts'
import type { RequestNotes } from '../request-notes.ts'

interface Turn {
  readonly role: 'user' | 'assistant' | 'system'
  /** Of tool calls: they stand before everything else. */
  readonly results: Block[]
  readonly content: Block[]
}

export interface Conversation {
  readonly system: readonly Block[]
  readonly messages: Encodable
  /** Whether the client has marked blocks for the cache. */
  readonly hasCacheMarks: boolean
  /** Whether the model goes on after tool calls that no signed reasoning precedes. */
  readonly lacksReasoning: boolean
}

interface TurnContext extends CallContext {
  readonly traits: Pick<ProviderTraits, 'systemInMiddle' | 'hasPrefill'>
}

/** @param messages the member of the request. */
export function conversationOf(messages: JsonView | undefined, context: TurnContext): Conversation {
  if (messages?.kind !== 'array') {
    context.notes.reject('messages', '"messages" must be a list of messages.')
    return { system: [], messages: [], hasCacheMarks: false, lacksReasoning: false }
  }
  const turns = new Turns(context)
  for (const message of messages.elements()) turns.add(message)
  return turns.finish()
}

class Turns {
  readonly #context: TurnContext
  readonly #notes: RequestNotes
  readonly #system: Block[] = []
  readonly #turns: Turn[] = []
  readonly #ids = new CallIds()
  /** Of the last turn of the assistant: calls whose results have not come. */
  readonly #open = new Set<unknown>()
  /** Instructions that came between calls and their results, and go after these. */
  readonly #held: Block[] = []

  constructor(context: TurnContext) {
    this.#context = context
    this.#notes = context.notes
  }

  add(message: JsonView): void {
    const members = message.members()
    const role = textOf(members.get('role')) ?? ''
    switch (role) {
      case 'system':
      case 'developer':
        this.#notes.dropUnknown(members, userMembers, 'messages.')
        return this.#addSystem(withMarkOf(members, blocksOf(members.get('content'), 'text', this.#notes)))
      case 'user':
        this.#notes.dropUnknown(members, userMembers, 'messages.')
        return this.#addUser(withMarkOf(members, blocksOf(members.get('content'), 'any', this.#notes)))
      case 'assistant':
        this.#notes.dropUnknown(members, assistantMembers, 'messages.')
        return this.#addAssistant(withMarkOf(members, assistantBlocks(members, this.#ids, this.#context)))
      case 'tool':
      case 'function':
        this.#notes.dropUnknown(members, resultMembers, 'messages.')
        return this.#addResults(withMarkOf(members, resultBlocks(members, this.#ids, this.#notes)))
      default: {
        const seen = role === '' ? 'A message has no role' : `A message has the role ${JSON.stringify(role)}`
        const roles = 'system, developer, user, assistant and tool'
        return this.#notes.reject('messages.role', `${seen}; the roles are ${roles}.`)
      }
    }
  }

  finish(): Conversation {
    this.#release()
    const first = this.#turns[0]
    if (first === undefined) {
      this.#notes.refuse('messages', 'The provider requires a message of a user that is not blank.')
    } else if (first.role === 'assistant') {
      this.#notes.refuse('messages', "The provider requires that the first message is a user's.")
    }
    this.#finishPrefill()
    return {
      system: this.#system,
      messages: this.#turns.map(({ role, results, content }) => ({
        role,
        content: [...results, ...content],
      })),
      hasCacheMarks: [
        this.#system,
        ...this.#turns.flatMap(({ results, content }) => [results, content]),
      ].some(hasMark),
      lacksReasoning: this.#lacksReasoning(),
    }
  }

  #addSystem(blocks: readonly Block[]): void {
    if (this.#turns.length === 0) append(this.#system, blocks)
    else if (this.#open.size > 0) append(this.#held, blocks)
    else this.#addLaterSystem(blocks)
  }

  #addLaterSystem(blocks: readonly Block[]): void {
    if (blocks.length === 0) return
    if (this.#context.traits.systemInMiddle === 'keep') append(this.#turnOf('system').content, blocks)
    else append(this.#turnOf('user').content, blocks.map(markedBlock))
  }

  #addUser(blocks: readonly Block[]): void {
    this.#release()
    if (blocks.length > 0) append(this.#turnOf('user').content, blocks)
  }

  #addAssistant(blocks: readonly Block[]): void {
    this.#release()
    if (blocks.length === 0) return
    append(this.#turnOf('assistant').content, blocks)
    for (const { type, id } of blocks) if (type === 'tool_use') this.#open.add(id)
  }

  #addResults(blocks: readonly Block[]): void {
    for (const block of blocks) {
      this.#open.delete(block['tool_use_id'])
      this.#turnOf('user').results.push(block)
    }
  }

  /** Nothing but results may stand between calls and their results. */
  #release(): void {
    this.#open.clear()
    this.#addLaterSystem(this.#held.splice(0))
  }

  /** Turns of one role that follow each other are one turn, as the server would make them. */
  #turnOf(role: Turn['role']): Turn {
    const last = this.#turns.at(-1)
    if (last?.role === role) return last
    const turn: Turn = { role, results: [], content: [] }
    this.#turns.push(turn)
    return turn
  }

  /** The beginning of an answer, which the model continues. Anthropic refuses one that ends in a blank. */
  #finishPrefill(): void {
    const last = this.#turns.at(-1)
    const block = last?.content.at(-1)
    if (last?.role !== 'assistant' || block?.['type'] !== 'text') return
    if (!this.#context.traits.hasPrefill) {
      const message = "The model does not continue an answer: the last message may not be the assistant's."
      return this.#notes.refuse('messages', message)
    }
    const text = (block['text'] as JsonView).text()
    if (text !== undefined) last.content.splice(-1, 1, { ...block, text: text.trimEnd() })
  }

  #lacksReasoning(): boolean {
    const [before, last] = this.#turns.slice(-2)
    if (last === undefined || last.results.length === 0 || before?.role !== 'assistant') return false
    const first = before.content[0]
    return first === undefined || !isReasoning(first)
  }
}

function hasMark(blocks: readonly Block[]): boolean {
  return blocks.some((block) => block['cache_control'] !== undefined)
}

const userMembers: ReadonlySet<string> = new Set(['cache_control', 'content', 'role'])
const resultMembers: ReadonlySet<string> = new Set([...userMembers, 'name', 'tool_call_id'])
const assistantMembers: ReadonlySet<string> = new Set([
  ...userMembers,
  'audio',
  'function_call',
  'reasoning',
  'reasoning_content',
  'reasoning_details',
  'refusal',
  'tool_calls',
])

function markedBlock(block: Block): Block {
  return { ...block, text: new JoinedText('<system>\n', block['text'] as JsonView, '\n</system>') }
}
