// Requests of Ollama's API as chat requests. https://docs.ollama.com/api
import type { Encodable } from '../../../bytes/json/encode.ts'
import type { JsonView } from '../../../bytes/json/view.ts'
import type { GatewayError } from '../../../errors.ts'
import type { TranslationTarget } from '../../translator.ts'
import type { ChatMembers } from '../asked-stream.ts'
import { type Members, memberIn } from '../members.ts'
import { RequestNotes } from '../request-notes.ts'
import { ToolNames } from '../tool-names.ts'
import { refuse, type RequestContext } from './context.ts'
import { translateImages } from './images.ts'
import { contentOf, translateMessages } from './messages.ts'
import { translateTools } from './tools.ts'
import { translateFormat, translateLogprobs, translateOptions, translateThink } from './options.ts'

/** The request for the provider, and what it does not carry. */
export interface ChatRequest {
  readonly body: ChatMembers
  readonly dropped: readonly string[]
  /** As the request has shortened them. */
  readonly names: ToolNames
}

export interface ReceivedMembers {
  readonly members: Members
  /** As the client names it. */
  readonly model: string
  readonly isStream: boolean
  /** There is nothing to answer. */
  readonly isIdle: boolean
}

type RequestTarget = Pick<TranslationTarget, 'model' | 'traits' | 'asksUsage'>

/** Of both routes; members of these that are no members of chat are translated or refused below. */
const sharedMembers = ['format', 'logprobs', 'model', 'options', 'stream', 'think', 'top_logprobs'] as const
const chatMembers: ReadonlySet<string> = new Set([...sharedMembers, 'messages', 'tools'])
const generateMembers: ReadonlySet<string> = new Set([
  ...sharedMembers,
  'context',
  'images',
  'prompt',
  'raw',
  'suffix',
  'system',
  'template',
])

/** Of `/api/chat`. @returns an error for what chat cannot express, or for what Ollama's API does not allow. */
export function translateChat(received: ReceivedMembers, target: RequestTarget): ChatRequest | GatewayError {
  const context = contextOf(received, target)
  const { members } = received
  context.notes.dropUnknown(members, chatMembers)
  const prompt = { messages: translateMessages(members, context), tools: translateTools(members, context) }
  return finish(prompt, received, target, context)
}

/** Of `/api/generate`. @returns as `translateChat`. */
export function translateGenerate(
  received: ReceivedMembers,
  target: RequestTarget,
): ChatRequest | GatewayError {
  const context = contextOf(received, target)
  const { members } = received
  context.notes.dropUnknown(members, generateMembers)
  for (const name of ['context', 'suffix', 'template'] as const) {
    if (!isEmpty(memberIn(members, name))) refuse(context, name, `"${name}"`)
  }
  if (memberIn(members, 'raw')?.kind === 'true') refuse(context, 'raw', 'a prompt without a template')
  const system = memberIn(members, 'system')
  if (system !== undefined && system.kind !== 'string')
    context.notes.reject('system', 'system: a text is required.')
  const instructions = isEmpty(system) ? [] : [{ role: 'system', content: system ?? null }]
  const content = contentOf(memberIn(members, 'prompt'), translateImages(members, '', context))
  const prompt = { messages: [...instructions, { role: 'user', content }] }
  return finish(prompt, received, target, context)
}

function contextOf({ model }: ReceivedMembers, { traits }: RequestTarget): RequestContext {
  return { traits, model, notes: new RequestNotes(), names: new ToolNames() }
}

function finish(
  prompt: Readonly<Record<string, Encodable | undefined>>,
  { members, isStream, isIdle }: ReceivedMembers,
  { model, asksUsage }: RequestTarget,
  context: RequestContext,
): ChatRequest | GatewayError {
  const { notes, names } = context
  if (isIdle) refuse(context, 'model', 'a request without a prompt, which only loads the model,')
  const body = {
    model,
    ...prompt,
    ...translateOptions(members, context),
    ...translateThink(members, context),
    ...translateFormat(members, context),
    ...translateLogprobs(members, context),
    stream: isStream ? true : undefined,
    stream_options: asksUsage ? { include_usage: true } : undefined,
  }
  return notes.problem ?? { body, dropped: notes.dropped, names }
}

/** Whether a value is absent, or says nothing. */
function isEmpty(value: JsonView | undefined): boolean {
  if (value === undefined) return true
  if (value.kind === 'array') return value.elements().length === 0
  return value.kind === 'string' && value.rawText.length === 0
}
