// A chat request for Anthropic's Messages API. https://docs.claude.com/en/api/messages
import type { ProviderTraits } from '../../../config/provider-types.ts'
import type { Encodable } from '../../../bytes/json/encode.ts'
import type { JsonView } from '../../../bytes/json/view.ts'
import { RequestNotes } from '../request-notes.ts'
import type { GatewayError } from '../../../errors.ts'
import { ToolNames } from '../tool-names.ts'
import { type Members, memberIn } from '../members.ts'
import { isBlank, textOf } from './content.ts'
import { numberOf, samplingOf, thinkingOf } from './thinking.ts'
import { toolSettings } from './tools.ts'
import { type Conversation, conversationOf } from './turns.ts'

/** The request for the provider, and what the response depends on in the client's. */
interface MessagesRequest {
  readonly body: Encodable
  readonly dropped: readonly string[]
  /** The client requested the usage of its stream. */
  readonly wantsUsage: boolean
  /** Calls are expected in the form before `tool_calls`. */
  readonly isLegacy: boolean
  readonly names: ToolNames
}

interface RequestTarget {
  readonly model: string
  readonly traits: ProviderTraits
}

const carried: ReadonlySet<string> = new Set([
  'function_call',
  'functions',
  'max_completion_tokens',
  'max_tokens',
  'messages',
  'model',
  'parallel_tool_calls',
  'reasoning_effort',
  'response_format',
  'safety_identifier',
  'stop',
  'stream',
  'stream_options',
  'temperature',
  'thinking',
  'tool_choice',
  'tools',
  'top_k',
  'top_p',
  'user',
])

/** Members that ask for another answer than the provider can return, and which of their values ask for nothing. */
const refused: ReadonlyMap<string, (value: JsonView) => boolean> = new Map<
  string,
  (value: JsonView) => boolean
>([
  ['audio', () => false],
  ['logit_bias', (value) => value.kind === 'object' && value.members().size === 0],
  ['logprobs', ({ kind }) => kind === 'false'],
  ['modalities', (value) => value.elements().every((each) => textOf(each) === 'text')],
  ['n', (value) => numberOf(value) === 1],
  ['prediction', () => false],
  ['top_logprobs', (value) => numberOf(value) === 0],
  ['web_search_options', () => false],
])

/** @param body an object. */
export function toMessages(
  body: JsonView,
  isStream: boolean,
  { model, traits }: RequestTarget,
): MessagesRequest | GatewayError {
  const notes = new RequestNotes()
  const members = body.members()
  checkMembers(members, notes)
  const names = new ToolNames()
  const conversation = conversationOf(members.get('messages'), { traits, names, notes })
  const { tools, choice, isForced, isLegacy, hasCacheMarks } = toolSettings(members, names, notes)
  const cap = memberIn(members, 'max_completion_tokens') ?? memberIn(members, 'max_tokens')
  const { lacksReasoning } = conversation
  const maxTokens = numberOf(cap) ?? traits.defaultMaxTokens
  const about = { maxTokens, isForced, lacksReasoning }
  const { thinking, effort, isOn } = thinkingOf(members, traits, about, notes)
  const format = formatOf(members.get('response_format'), notes)
  const user = memberIn(members, 'user') ?? memberIn(members, 'safety_identifier')
  const isCached = traits.cachesPrompts && !hasCacheMarks && !conversation.hasCacheMarks
  const encoded = {
    model,
    max_tokens: cap ?? traits.defaultMaxTokens,
    system: systemOf(conversation, format.instruction),
    messages: conversation.messages,
    tools,
    tool_choice: choice,
    thinking,
    output_config:
      effort === undefined && format.schema === undefined ? undefined : { effort, format: format.schema },
    stop_sequences: stopsOf(members.get('stop'), notes),
    ...samplingOf(members, traits, isOn, notes),
    metadata: user && { user_id: user },
    cache_control: isCached ? { type: 'ephemeral' } : undefined,
    stream: isStream ? true : undefined,
  }
  if (notes.problem !== undefined) return notes.problem
  const options = members.get('stream_options')?.members()
  return {
    body: encoded,
    dropped: notes.dropped,
    wantsUsage: options?.get('include_usage')?.kind === 'true',
    isLegacy,
    names,
  }
}

/** Members that are dropped, and which of their values ask for nothing. */
const dropped: ReadonlyMap<string, (value: JsonView) => boolean> = new Map<
  string,
  (value: JsonView) => boolean
>([
  ['frequency_penalty', (value) => numberOf(value) === 0],
  ['presence_penalty', (value) => numberOf(value) === 0],
  ['store', ({ kind }) => kind === 'false'],
])

function checkMembers(members: Members, notes: RequestNotes): void {
  const known = new Set(carried)
  for (const [name, asksNothing] of refused) {
    known.add(name)
    const value = memberIn(members, name)
    if (value !== undefined && !asksNothing(value)) {
      notes.refuse(name, `"${name}" is not supported by the provider of the model.`)
    }
  }
  for (const [name, asksNothing] of dropped) {
    const value = members.get(name)
    if (value !== undefined && asksNothing(value)) known.add(name)
  }
  notes.dropUnknown(members, known)
}

function systemOf({ system }: Conversation, instruction: string | undefined): Encodable | undefined {
  const blocks = instruction === undefined ? system : [...system, { type: 'text', text: instruction }]
  return blocks.length > 0 ? blocks : undefined
}

interface AnswerFormat {
  readonly schema?: Encodable
  /** What stands in for a format that the provider does not know. */
  readonly instruction?: string
}

function formatOf(format: JsonView | undefined, notes: RequestNotes): AnswerFormat {
  if (format === undefined || format.kind === 'null') return {}
  const members = format.members()
  const type = textOf(members.get('type'))
  if (type === 'text') return {}
  if (type === 'json_object') {
    return { instruction: 'Answer with a single JSON object and nothing else.' }
  }
  const schema = members.get('json_schema')?.members().get('schema')
  if (type === 'json_schema' && schema?.kind === 'object') return { schema: { type, schema } }
  if (type === 'json_schema')
    notes.reject('response_format', '"response_format" has no "json_schema" with a "schema".')
  else
    notes.refuse(
      'response_format',
      `The provider accepts no "response_format" of type ${JSON.stringify(type ?? '')}.`,
    )
  return {}
}

/** Anthropic refuses blank sequences. */
function stopsOf(stop: JsonView | undefined, notes: RequestNotes): Encodable | undefined {
  if (stop === undefined || stop.kind === 'null') return undefined
  const all = stop.kind === 'array' ? stop.elements() : [stop]
  const stops = all.filter((each) => each.kind !== 'string' || !isBlank(each))
  if (stops.length < all.length) notes.drop('stop')
  return stops.length > 0 ? stops : undefined
}
