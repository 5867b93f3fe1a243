// The turns of a Messages request.
import { append } from '../append.ts'
import { type Encodable, TextOfJson } from '../../../bytes/json/encode.ts'
import { JsonView } from '../../../bytes/json/view.ts'
import { type Members, memberIn } from '../members.ts'
import { contentOf, joinTexts, type Part, readBlock, readContent, readTexts, type Text } from './content.ts'
import type { RequestContext } from './context.ts'
import { type AssistantPiece, BlockConversation, type UserPiece } from './conversation.ts'

const messageMembers: ReadonlySet<string> = new Set(['role', 'content'])
const resultMembers: ReadonlySet<string> = new Set(['type', 'tool_use_id', 'content', 'is_error'])
const thinkingMembers: ReadonlySet<string> = new Set(['type', 'thinking'])
const callMembers: ReadonlySet<string> = new Set(['type', 'id', 'name', 'input'])

/** Tools that Anthropic's own server runs: their blocks mean nothing to another one. */
const serverBlocks = /^(?:server|mcp)_tool_use$|_tool_result$/

const billingMark = Buffer.from('x-anthropic-billing-header')

/** @returns the messages of the chat request. */
export function translateMessages(members: Members, context: RequestContext): readonly Encodable[] {
  const { notes, traits } = context
  const conversation = new BlockConversation(traits)
  conversation.system(readSystem(memberIn(members, 'system'), context))
  const list = members.get('messages')
  if (list?.kind !== 'array') {
    notes.reject('messages', 'messages: a list of messages is required.')
    return []
  }
  const messages = list.elements().map((each) => each.members())
  const firstReasoning = firstWithReasoning(messages, context)
  for (const [at, message] of messages.entries()) {
    notes.dropUnknown(message, messageMembers, 'messages.')
    const content = message.get('content')
    const path = `messages.${at}.content`
    const role = message.get('role')?.text()
    if (role === 'user') conversation.user(readUser(content, path, context))
    else if (role === 'assistant') {
      conversation.assistant(
        readAssistant(content, path, { ...context, keepsReasoning: at >= firstReasoning }),
      )
    } else if (role === 'system') conversation.system(readTexts(content, path, context))
    else
      notes.reject(`messages.${at}.role`, `messages.${at}.role: "user", "assistant" or "system" is required.`)
  }
  if (conversation.endsWithPrefill && !traits.hasPrefill) {
    const last = `messages.${messages.length - 1}`
    notes.refuse(
      last,
      `${last}: the provider of ${context.model} does not continue a message of the assistant.`,
    )
  }
  return conversation.finish()
}

function readSystem(system: JsonView | undefined, context: RequestContext): readonly Text[] {
  if (system === undefined) return []
  const texts = readTexts(system, 'system', context)
  const [first] = texts
  const beginning = first instanceof JsonView ? first.rawText.subarray(0, billingMark.length) : undefined
  if (beginning?.equals(billingMark) !== true || context.traits.keepsBillingBlock) return texts
  context.notes.drop('system.billing_header')
  return texts.slice(1)
}

/** The index of the first message whose reasoning goes to the provider. */
function firstWithReasoning(messages: readonly Members[], { traits }: RequestContext): number {
  if (traits.reasoningField === 'none') return Infinity
  return traits.reasoningTurns === 'all' ? 0 : messages.findLastIndex(isWrittenByPerson) + 1
}

/** What brings tool results is a step within the assistant's turn. */
function isWrittenByPerson(message: Members): boolean {
  if (message.get('role')?.text() !== 'user') return false
  const blocks = message.get('content')?.elements() ?? []
  return !blocks.some((block) => block.members().get('type')?.text() === 'tool_result')
}

function readUser(content: JsonView | undefined, path: string, context: RequestContext): UserPiece {
  if (content?.kind !== 'array') {
    return { results: [], resultMedia: [], parts: readContent(content, path, context) }
  }
  const results: Encodable[] = []
  const resultMedia: Part[] = []
  const parts: Part[] = []
  for (const [at, block] of content.elements().entries()) {
    const members = block.members()
    const blockPath = `${path}.${at}`
    if (members.get('type')?.text() === 'tool_result') {
      const { message, media } = readResult(members, blockPath, context)
      results.push(message)
      append(resultMedia, media)
    } else append(parts, readBlock(members, blockPath, context))
  }
  return { results, resultMedia, parts }
}

function readResult(
  members: Members,
  path: string,
  context: RequestContext,
): { readonly message: Encodable; readonly media: readonly Part[] } {
  const { notes, traits } = context
  notes.dropUnknown(members, resultMembers, 'content.')
  const id = members.get('tool_use_id')
  if (id?.kind !== 'string') {
    notes.reject(`${path}.tool_use_id`, `${path}: a tool result with a "tool_use_id" is required.`)
    return { message: null, media: [] }
  }
  const content = memberIn(members, 'content')
  const read = content === undefined ? [] : readContent(content, `${path}.content`, context)
  const isError = members.get('is_error')?.kind === 'true'
  const texts = read.filter((part) => 'text' in part).map(({ text }) => text)
  const media = read.filter((part) => 'media' in part)
  const text = isError ? joinTexts(['[tool error]', joinTexts(texts, '\n')], ' ') : joinTexts(texts, '\n')
  const message = (value: Encodable) => ({ role: 'tool', tool_call_id: id, content: value })
  if (media.length === 0) return { message: message(text), media }
  if (traits.hasToolImages) {
    const parts = texts.length > 0 || isError ? [{ text }, ...media] : media
    return { message: message(contentOf(parts, true)), media: [] }
  }
  const label = { text: joinTexts(['Output of tool call ', id, ':'], '') }
  return { message: message(text), media: [label, ...media] }
}

interface AssistantContext extends RequestContext {
  readonly keepsReasoning: boolean
}

function readAssistant(
  content: JsonView | undefined,
  path: string,
  context: AssistantContext,
): AssistantPiece {
  if (content?.kind !== 'array') return { texts: readTexts(content, path, context), reasoning: [], calls: [] }
  const texts: Text[] = []
  const reasoning: Text[] = []
  const calls: Encodable[] = []
  for (const [at, block] of content.elements().entries()) {
    const members = block.members()
    const blockPath = `${path}.${at}`
    const type = members.get('type')?.text() ?? ''
    if (type === 'tool_use') calls.push(readCall(members, blockPath, context))
    else if (type === 'thinking') append(reasoning, readThinking(members, context))
    else if (type === 'redacted_thinking' || serverBlocks.test(type))
      context.notes.drop(`content.${nameOf(type)}`)
    else {
      for (const part of readBlock(members, blockPath, context)) {
        if ('text' in part) texts.push(part.text)
        else context.notes.reject(blockPath, `${blockPath}: an assistant's turn has no "${type}".`)
      }
    }
  }
  return { texts, reasoning, calls }
}

function readCall(members: Members, path: string, { notes, names }: RequestContext): Encodable {
  notes.dropUnknown(members, callMembers, 'content.')
  const id = members.get('id')
  const name = members.get('name')?.text()
  const input = members.get('input')
  if (id?.kind === 'string' && name !== undefined && input?.kind === 'object') {
    return {
      id,
      type: 'function',
      function: { name: names.toProvider(name), arguments: new TextOfJson(input) },
    }
  }
  notes.reject(path, `${path}: a tool use with an "id", a "name" and an object as "input" is required.`)
  return null
}

function readThinking(members: Members, { notes, keepsReasoning }: AssistantContext): readonly Text[] {
  const thinking = members.get('thinking')
  if (!keepsReasoning) notes.drop('content.thinking')
  if (!keepsReasoning || thinking?.kind !== 'string' || thinking.rawText.length === 0) return []
  notes.dropUnknown(members, thinkingMembers, 'content.')
  return [thinking]
}

function nameOf(type: string): string {
  return /^[a-z_]{1,64}$/.test(type) ? type : '?'
}
