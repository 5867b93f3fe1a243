// What an assistant has said and called, and the results of its calls, as Anthropic's blocks.
import { type JsonView, viewObject } from '../../../bytes/json/view.ts'
import type { Encodable } from '../../../bytes/json/encode.ts'
import type { RequestNotes } from '../request-notes.ts'
import { toolIdFor } from '../tool-ids.ts'
import type { ToolNames } from '../tool-names.ts'
import type { Members } from '../members.ts'
import { type Block, blocksOf, isBlank, textOf } from './content.ts'
import { isOwnFormat } from './signatures.ts'

export interface CallContext {
  readonly names: ToolNames
  readonly notes: RequestNotes
}

/** Ids of the calls of a conversation. Calls in the form before `tool_calls` have none: they get them from their names. */
export class CallIds {
  readonly #counts = new Map<string, number>()

  /** For the next call of a function. */
  begin(name: string): string {
    const count = (this.#counts.get(name) ?? 0) + 1
    this.#counts.set(name, count)
    return idOf(name, count)
  }

  /** For the result of a function's last call. */
  current(name: string): string {
    return idOf(name, this.#counts.get(name) ?? 1)
  }
}

function idOf(name: string, count: number): string {
  return toolIdFor(`call_${name}_${count}`)
}

/** Reasoning, then text, then calls. */
export function assistantBlocks(members: Members, ids: CallIds, context: CallContext): Block[] {
  const { notes } = context
  const audio = members.get('audio')
  if (audio !== undefined && audio.kind !== 'null') {
    notes.refuse('messages.audio', 'The provider does not know the audio of earlier answers.')
  }
  const refusal = members.get('refusal')
  return [
    ...reasoningBlocks(members, notes),
    ...blocksOf(members.get('content'), 'text', notes),
    ...(refusal?.kind === 'string' && !isBlank(refusal) ? [{ type: 'text', text: refusal }] : []),
    ...callBlocks(members, ids, context),
  ]
}

/** Anthropic accepts its own signed reasoning only, which comes in `reasoning_details`. */
function reasoningBlocks(members: Members, notes: RequestNotes): Block[] {
  const details = members.get('reasoning_details')?.elements() ?? []
  const blocks = details
    .map((detail) => reasoningBlock(detail.members()))
    .filter((block) => block !== undefined)
  if (blocks.length < details.length) notes.drop('messages.reasoning_details')
  if (blocks.length > 0) return blocks
  for (const name of ['reasoning', 'reasoning_content']) {
    const text = members.get(name)
    if (text?.kind === 'string' && text.rawText.length > 0) notes.drop(`messages.${name}`)
  }
  return blocks
}

function reasoningBlock(detail: Members): Block | undefined {
  if (!isOwnFormat(textOf(detail.get('format')))) return undefined
  const type = textOf(detail.get('type'))
  const [text, signature, data] = ['text', 'signature', 'data'].map((name) => detail.get(name))
  if (type === 'reasoning.text' && text?.kind === 'string' && signature?.kind === 'string') {
    return signature.rawText.length > 0 ? { type: 'thinking', thinking: text, signature } : undefined
  }
  return type === 'reasoning.encrypted' && data?.kind === 'string'
    ? { type: 'redacted_thinking', data }
    : undefined
}

function callBlocks(members: Members, ids: CallIds, context: CallContext): Block[] {
  const calls = members.get('tool_calls')?.elements() ?? []
  const blocks = calls
    .map((call) => callBlock(call.members(), context))
    .filter((block) => block !== undefined)
  const legacy = members.get('function_call')
  if (legacy?.kind !== 'object') return blocks
  const called = legacy.members()
  const name = textOf(called.get('name'))
  if (name !== undefined) return [...blocks, useBlock({ id: ids.begin(name), name }, called, context)]
  context.notes.reject('messages.function_call', 'A function call has no name.')
  return blocks
}

function callBlock(call: Members, context: CallContext): Block | undefined {
  const { notes } = context
  const id = textOf(call.get('id'))
  const called = call.get('function')?.members()
  if (called === undefined) {
    const type = textOf(call.get('type')) ?? ''
    notes.refuse('messages.tool_calls', `The provider knows no tool calls of type "${type}".`)
    return undefined
  }
  const name = textOf(called.get('name'))
  if (id === undefined || name === undefined) {
    notes.reject('messages.tool_calls', 'A tool call must have an id and the name of a function.')
    return undefined
  }
  return useBlock({ id, name }, called, context)
}

interface CallName {
  readonly id: string
  readonly name: string
}

function useBlock({ id, name }: CallName, called: Members, { names, notes }: CallContext): Block {
  const input = inputOf(called.get('arguments'))
  if (input === undefined) {
    const message = `The arguments of tool call "${id}" must be the text of a JSON object.`
    notes.refuse('messages.tool_calls.function.arguments', message)
  }
  return { type: 'tool_use', id: toolIdFor(id), name: names.toProvider(name), input: input ?? {} }
}

/** The object in the arguments, as it was written. */
function inputOf(args: JsonView | undefined): Encodable | undefined {
  if (args === undefined || args.kind === 'null') return {}
  // Some clients keep the object that they have parsed.
  if (args.kind === 'object') return args
  if (args.kind !== 'string') return undefined
  if (isBlank(args)) return {}
  const text = args.text()
  return text === undefined ? undefined : viewObject(text)
}

/** The result of a call, none if it names no call. Chat has no mark for a failed one. */
export function resultBlocks(members: Members, ids: CallIds, notes: RequestNotes): Block[] {
  const id = resultId(members, ids)
  if (id === undefined) {
    notes.reject('messages.tool_call_id', 'The result of a tool call must have its "tool_call_id".')
    return []
  }
  const content = members.get('content')
  const isWholeText = content?.kind === 'string' && !isBlank(content)
  const blocks = isWholeText ? [] : blocksOf(content, 'any', notes)
  const value = isWholeText ? content : blocks.length > 0 ? blocks : undefined
  return [{ type: 'tool_result', tool_use_id: id, content: value }]
}

function resultId(members: Members, ids: CallIds): string | undefined {
  const id = textOf(members.get('tool_call_id'))
  if (id !== undefined) return toolIdFor(id)
  const name = textOf(members.get('role')) === 'function' ? textOf(members.get('name')) : undefined
  return name === undefined ? undefined : ids.current(name)
}
