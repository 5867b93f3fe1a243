// The `input` of the Responses API as messages of chat.
import type { ProviderTraits } from '../../../config/provider-types.ts'
import { type Encodable, TextOfJson } from '../../../bytes/json/encode.ts'
import type { JsonView } from '../../../bytes/json/view.ts'
import { type ReasoningContent, unpackReasoning } from '../reasoning-envelope.ts'
import type { RequestNotes } from '../request-notes.ts'
import type { Members } from '../members.ts'
import { ItemConversation } from './conversation.ts'
import { actionMembers, hostedItems, isCall, outputTypes, statefulItems } from './item-types.ts'
import {
  joinedResults,
  readAssistantText,
  type TextPiece,
  type ToolOutput,
  translateContent,
  translateOutput,
} from './parts.ts'
import { inputArgument, type Tools } from './tools.ts'

interface Item {
  readonly type: string
  readonly members: Members
}

interface Context {
  readonly traits: ProviderTraits
  readonly tools: Tools
  readonly notes: RequestNotes
}

const messageMembers: ReadonlySet<string> = new Set(['type', 'id', 'status', 'role', 'content'])
const callMembers: ReadonlySet<string> = new Set([
  'type',
  'id',
  'status',
  'call_id',
  'name',
  'namespace',
  'arguments',
  'input',
])
const reasoningMembers: ReadonlySet<string> = new Set([
  'type',
  'id',
  'status',
  'summary',
  'content',
  'encrypted_content',
])

/** The `input` of a request. */
export interface Input {
  readonly input: JsonView | undefined
  /** Its elements, if it is a list. */
  readonly items: readonly Item[]
}

export function readInput(input: JsonView | undefined): Input {
  return { input, items: input?.elements().map(itemOf) ?? [] }
}

/** @param instructions the text before everything else; undefined for none. */
export function translateInput(
  { input, items }: Input,
  instructions: JsonView | undefined,
  context: Context,
): Encodable[] {
  const { traits, notes } = context
  const conversation = new ItemConversation(traits)
  if (instructions !== undefined) conversation.system(instructions)
  if (input?.kind === 'string') conversation.user(input)
  else if (input?.kind === 'array') new ItemReader(items, conversation, context).read()
  else notes.reject('input', 'The body has no "input" that is a text or a list.')
  if (conversation.endsWithAssistant && !traits.hasPrefill) {
    notes.refuse(
      'input',
      'The provider cannot continue a message of the assistant: end "input" with one of a user.',
    )
  }
  return conversation.finish()
}

/** The tools of `additional_tools` items, which some models of Codex get in place of `tools`. */
export function declareAdditionalTools({ items }: Input, tools: Tools): void {
  for (const { type, members } of items) {
    const list = members.get('tools')
    if (type === 'additional_tools' && list !== undefined) tools.declare(list, 'input')
  }
}

/** Messages need no type. */
function itemOf(view: JsonView): Item {
  const members = view.members()
  const type = members.get('type')?.text() ?? (members.has('role') ? 'message' : '')
  return { type, members }
}

class ItemReader {
  readonly #items: readonly Item[]
  readonly #conversation: ItemConversation
  readonly #context: Context
  /** Indexes of the outputs that stand behind their calls already. */
  readonly #placed = new Set<number>()
  /** Indexes of the calls and of their outputs that are still to be read, by the id, the first one first. */
  readonly #calls: ReadonlyMap<string, Indexes>
  readonly #outputs: ReadonlyMap<string, Indexes>
  /** Reasoning before this index stays out. */
  readonly #reasoningFrom: number

  constructor(items: readonly Item[], conversation: ItemConversation, context: Context) {
    this.#items = items
    this.#conversation = conversation
    this.#context = context
    this.#calls = indexesById(items, isCall)
    this.#outputs = indexesById(items, (type) => outputTypes.has(type))
    const { reasoningField, reasoningTurns } = context.traits
    const lastUser = items.findLastIndex(({ members }) => members.get('role')?.text() === 'user')
    this.#reasoningFrom = reasoningField === 'none' ? items.length : reasoningTurns === 'all' ? 0 : lastUser
  }

  read(): void {
    for (const [index, item] of this.#items.entries()) this.#read(item, index)
  }

  #read({ type, members }: Item, index: number): void {
    const { notes } = this.#context
    if (type === 'message') return this.#message(members)
    if (type === 'reasoning') return this.#reasoning(members, index)
    if (isCall(type)) return this.#call(type, members, index)
    if (outputTypes.has(type)) return this.#output(members, index)
    // Declared already.
    if (type === 'additional_tools') return
    const refusal = statefulItems.get(type)
    if (refusal !== undefined) notes.refuse('input', refusal)
    else if (hostedItems.has(type)) notes.drop(`input.${type}`)
    else if (type === '') notes.reject('input', `input[${index}] has neither a "type" nor a "role".`)
    else
      notes.refuse(
        'input',
        `The provider cannot be sent an item of the type "${type.slice(0, 64)}" (input[${index}]).`,
      )
  }

  #message(members: Members): void {
    const { traits, notes } = this.#context
    notes.dropUnknown(members, messageMembers, 'input.')
    const content = members.get('content')
    switch (members.get('role')?.text()) {
      case 'user':
        return this.#conversation.user(translateContent(content, traits, notes))
      case 'developer':
      case 'system':
        return this.#conversation.system(translateContent(content, traits, notes))
      case 'assistant':
        return this.#conversation.assistantText(readAssistantText(content, notes))
      case undefined:
      default:
        notes.reject('input', 'The "role" of a message must be "user", "assistant", "system" or "developer".')
    }
  }

  #reasoning(members: Members, index: number): void {
    const { notes } = this.#context
    notes.dropUnknown(members, reasoningMembers, 'input.')
    const packed = members.get('encrypted_content')
    const own = packed === undefined ? undefined : unpackedIn(packed)
    if (packed?.kind === 'string' && own === undefined) notes.drop('input.encrypted_content')
    if (index < this.#reasoningFrom) return notes.drop('input.reasoning')
    const shown = textsIn(members.get('content'))
    const text = shown.length > 0 ? shown : own === undefined ? textsIn(members.get('summary')) : [own.text]
    this.#conversation.reasoning({ text, details: own?.details ?? [] })
  }

  #call(type: string, members: Members, index: number): void {
    const { notes } = this.#context
    const id = members.get('call_id')
    if (id?.kind !== 'string') return notes.reject('input', `input[${index}] has no "call_id".`)
    const actionMember = actionMembers.get(type)
    if (actionMember !== undefined) {
      const action = members.get(actionMember)
      const name = type.slice(0, -'_call'.length)
      const args = action === undefined ? '{}' : new TextOfJson(action)
      return this.#conversation.call({ id, name, args, result: this.#resultOf(id, index) })
    }
    notes.dropUnknown(members, callMembers, 'input.')
    const name = members.get('name')?.text()
    if (name === undefined) return notes.reject('input', `input[${index}] has no "name".`)
    this.#conversation.call({
      id,
      name: this.#context.tools.chatName(name, members.get('namespace')?.text()),
      args:
        type === 'custom_tool_call' ? wrapped(members.get('input')) : argumentsOf(members.get('arguments')),
      result: this.#resultOf(id, index),
    })
  }

  /**
   * The outputs behind the call, up to a further call of the same id: they are taken out of their places. Codex's code mode
   * adds outputs to a call that is under way.
   */
  #resultOf(id: JsonView, callIndex: number): ToolOutput | undefined {
    const key = keyOf(id)
    const end = this.#calls.get(key)?.after(callIndex) ?? this.#items.length
    const outputs = this.#outputs.get(key)
    const results: ToolOutput[] = []
    for (let index = outputs?.after(callIndex); index !== undefined && index < end;) {
      this.#placed.add(index)
      results.push(this.#translateOutput(this.#items[index]!.members))
      index = outputs!.after(index)
    }
    return results.length > 1 ? joinedResults(results) : results[0]
  }

  #output(members: Members, index: number): void {
    const id = idOfCall(members)
    if (this.#placed.has(index)) return this.#conversation.endTurnOf(id!)
    if (id === undefined) return this.#context.notes.reject('input', `input[${index}] has no "call_id".`)
    this.#conversation.orphanResult(id, this.#translateOutput(members))
  }

  #translateOutput(members: Members): ToolOutput {
    const { traits, notes } = this.#context
    const output = members.get('output')
    // The outputs of a shell have a form of their own.
    if (members.get('type')?.text() === 'shell_call_output' && output !== undefined) {
      return { content: output.raw.toString(), media: [] }
    }
    return translateOutput(output, traits, notes)
  }
}

function indexesById(
  items: readonly Item[],
  isWanted: (type: string) => boolean,
): ReadonlyMap<string, Indexes> {
  const found = new Map<string, Indexes>()
  for (const [index, { type, members }] of items.entries()) {
    const id = isWanted(type) ? idOfCall(members) : undefined
    if (id === undefined) continue
    const key = keyOf(id)
    const indexes = found.get(key) ?? new Indexes()
    indexes.add(index)
    found.set(key, indexes)
  }
  return found
}

/** Ascending indexes, which are asked for in this order: one pass, however many items have the same id. */
class Indexes {
  readonly #all: number[] = []
  #next = 0

  add(index: number): void {
    this.#all.push(index)
  }

  /** The first behind `index`, which no later question may precede. */
  after(index: number): number | undefined {
    while (this.#next < this.#all.length && this.#all[this.#next]! <= index) this.#next += 1
    return this.#all[this.#next]
  }
}

/** The output of a local shell has it as `id`. */
function idOfCall(members: Members): JsonView | undefined {
  const id = members.get('call_id') ?? members.get('id')
  return id?.kind === 'string' ? id : undefined
}

function keyOf(id: JsonView): string {
  return id.rawText.toString('latin1')
}

function unpackedIn(packed: JsonView): ReasoningContent | undefined {
  const text = packed.text()
  return text === undefined ? undefined : unpackReasoning(text)
}

function textsIn(list: JsonView | undefined): TextPiece[] {
  const texts = (list?.elements() ?? [])
    .map((part) => part.members().get('text'))
    .filter((text) => text?.kind === 'string')
  return texts.flatMap((text, at) => (at === 0 ? [text!] : ['\n\n', text!]))
}

/** Some clients write an object where the format has a text. */
function argumentsOf(args: JsonView | undefined): Encodable {
  if (args === undefined || args.kind === 'null') return ''
  return args.kind === 'string' ? args : new TextOfJson(args)
}

function wrapped(input: JsonView | undefined): string {
  return `{${JSON.stringify(inputArgument)}:${input?.kind === 'string' ? input.raw.toString() : '""'}}`
}
