// A request of the Responses API as a chat request. https://platform.openai.com/docs/api-reference/responses/create
import type { ProviderTraits } from '../../../config/provider-types.ts'
import type { Encodable } from '../../../bytes/json/encode.ts'
import type { JsonView } from '../../../bytes/json/view.ts'
import type { GatewayError } from '../../../errors.ts'
import type { ChatMembers } from '../asked-stream.ts'
import { acceptedEffort, allEfforts } from '../efforts.ts'
import { RequestNotes } from '../request-notes.ts'
import { type Members, memberIn, present } from '../members.ts'
import { declareAdditionalTools, readInput, translateInput } from './items.ts'
import { translateToolChoice } from './tool-choice.ts'
import { type DeclaredTool, Tools } from './tools.ts'

/** A chat request, and what its response has to know of the request. */
export interface ChatRequest {
  readonly body: ChatMembers
  readonly dropped: readonly string[]
  /** By the names for chat. */
  readonly tools: ReadonlyMap<string, DeclaredTool>
  /** The client wants to send the reasoning back without reading it. */
  readonly wantsEncryptedReasoning: boolean
}

interface RequestTarget {
  readonly model: string
  readonly traits: ProviderTraits
  readonly asksUsage: boolean
}

/** Members that are translated, refused or dropped below. */
const knownMembers: ReadonlySet<string> = new Set([
  'background',
  'conversation',
  'include',
  'input',
  'instructions',
  'max_output_tokens',
  'metadata',
  'model',
  'parallel_tool_calls',
  'previous_response_id',
  'prompt',
  'prompt_cache_key',
  'prompt_cache_retention',
  'reasoning',
  'safety_identifier',
  'service_tier',
  'store',
  'stream',
  'temperature',
  'text',
  'tool_choice',
  'tools',
  'top_logprobs',
  'top_p',
  'truncation',
  'user',
])

const platformMembers = [
  'metadata',
  'prompt_cache_key',
  'prompt_cache_retention',
  'safety_identifier',
  'service_tier',
] as const

/** @param members of the body. */
export function translateRequest(
  members: Members,
  target: RequestTarget,
  isStream: boolean,
): ChatRequest | GatewayError {
  const { model, traits, asksUsage } = target
  const notes = new RequestNotes()
  refuseState(members, notes)
  const stream = memberIn(members, 'stream')?.kind ?? 'false'
  if (stream !== 'true' && stream !== 'false') notes.reject('stream', '"stream" must be true or false.')
  notes.dropUnknown(members, knownMembers)
  const tools = new Tools(notes)
  const list = members.get('tools')
  if (list !== undefined) tools.declare(list, 'tools')
  const input = readInput(members.get('input'))
  declareAdditionalTools(input, tools)
  const toolChoice = translateToolChoice(members.get('tool_choice'), tools, notes)
  const encodedTools = tools.encoded()
  const body = {
    model,
    messages: translateInput(input, textMember(members, 'instructions', notes), {
      traits,
      tools,
      notes,
    }),
    [traits.maxTokensField]: memberIn(members, 'max_output_tokens'),
    temperature: temperatureOf(members.get('temperature'), traits),
    top_p: memberIn(members, 'top_p'),
    tools: encodedTools,
    tool_choice: toolChoice,
    parallel_tool_calls: encodedTools && memberIn(members, 'parallel_tool_calls'),
    reasoning_effort: effortOf(members.get('reasoning'), traits, notes),
    ...textOptions(members.get('text'), traits, notes),
    ...logprobs(members),
    user: memberIn(members, 'user'),
    ...platformOptions(members, traits, notes),
    stream: isStream ? true : undefined,
    stream_options: asksUsage ? { include_usage: true } : undefined,
  }
  const kept = ['reasoning.encrypted_content', 'message.output_text.logprobs']
  const others = members
    .get('include')
    ?.elements()
    .filter((each) => !kept.includes(each.text() ?? ''))
  if (others?.length) notes.drop('include')
  if (members.get('truncation')?.text() === 'auto') notes.drop('truncation')
  const { problem, dropped } = notes
  return (
    problem ?? {
      body,
      dropped,
      tools: tools.declared,
      wantsEncryptedReasoning: includes(members, 'reasoning.encrypted_content'),
    }
  )
}

/** The gateway keeps no responses, so it cannot go on from one. */
function refuseState(members: Members, notes: RequestNotes): void {
  for (const name of ['previous_response_id', 'conversation', 'prompt']) {
    if (memberIn(members, name) === undefined) continue
    notes.refuse(name, `"${name}" is not supported by the provider: state is not kept; send the whole input.`)
  }
  if (members.get('background')?.kind === 'true') {
    notes.refuse(
      'background',
      '"background" is not supported by the provider: state is not kept; await the response.',
    )
  }
}

function temperatureOf(
  temperature: JsonView | undefined,
  { maxTemperature }: ProviderTraits,
): Encodable | undefined {
  if (temperature?.kind !== 'number') return present(temperature)
  return Number(temperature.value()) > maxTemperature ? maxTemperature : temperature
}

const reasoningMembers: ReadonlySet<string> = new Set(['effort'])

function effortOf(
  reasoning: JsonView | undefined,
  { efforts: accepted }: ProviderTraits,
  notes: RequestNotes,
): string | undefined {
  const members = reasoning?.members()
  if (members === undefined) return undefined
  notes.dropUnknown(members, reasoningMembers, 'reasoning.')
  const wanted = memberIn(members, 'effort')
  if (wanted === undefined) return undefined
  const effort = allEfforts.find((each) => each === wanted.text())
  if (effort === undefined) {
    notes.reject('reasoning.effort', `"reasoning.effort" must be one of ${allEfforts.join(', ')}.`)
    return undefined
  }
  if (accepted.length === 0) notes.drop('reasoning.effort')
  return acceptedEffort(effort, accepted)
}

const textMembers: ReadonlySet<string> = new Set(['format', 'verbosity'])

function textOptions(
  text: JsonView | undefined,
  { hasPlatformMembers }: ProviderTraits,
  notes: RequestNotes,
): { readonly [member: string]: Encodable | undefined } {
  const members = text?.members()
  if (members === undefined) return {}
  notes.dropUnknown(members, textMembers, 'text.')
  const verbosity = memberIn(members, 'verbosity')
  if (verbosity !== undefined && !hasPlatformMembers) notes.drop('text.verbosity')
  return {
    response_format: formatOf(members.get('format'), notes),
    verbosity: hasPlatformMembers ? verbosity : undefined,
  }
}

function formatOf(format: JsonView | undefined, notes: RequestNotes): Encodable | undefined {
  const members = format?.members()
  const type = members?.get('type')?.text()
  switch (type) {
    case undefined:
    case 'text':
      return undefined
    case 'json_object':
      return { type }
    case 'json_schema': {
      const [name, description, schema, strict] = ['name', 'description', 'schema', 'strict'].map((each) =>
        memberIn(members!, each),
      )
      return { type, json_schema: { name, description, schema, strict } }
    }
    default:
      notes.refuse('text.format', `The provider cannot write the format "${type.slice(0, 64)}".`)
      return undefined
  }
}

/** Clients request them by a count, by `include`, or both. */
function logprobs(members: Members): { readonly [member: string]: Encodable | undefined } {
  const count = members.get('top_logprobs')
  const top = count?.kind === 'number' && count.value() !== 0 ? count : undefined
  const isWanted = top !== undefined || includes(members, 'message.output_text.logprobs')
  return { logprobs: isWanted ? true : undefined, top_logprobs: top }
}

function platformOptions(
  members: Members,
  { hasPlatformMembers }: ProviderTraits,
  notes: RequestNotes,
): { readonly [member: string]: Encodable | undefined } {
  const options: Record<string, Encodable> = {}
  for (const name of platformMembers) {
    const value = memberIn(members, name)
    if (value === undefined) continue
    if (hasPlatformMembers) options[name] = value
    else notes.drop(name)
  }
  const store = members.get('store')
  if (store?.kind === 'true') notes.drop('store')
  // Some accounts store chat completions unless they are told not to.
  if (store?.kind === 'false' && hasPlatformMembers) options['store'] = store
  return options
}

function includes(members: Members, name: string): boolean {
  return (
    members
      .get('include')
      ?.elements()
      .some((each) => each.text() === name) === true
  )
}

function textMember(members: Members, name: string, notes: RequestNotes): JsonView | undefined {
  const value = memberIn(members, name)
  if (value === undefined) return undefined
  if (value.kind !== 'string') notes.reject(name, `"${name}" must be a text.`)
  return value.rawText.length === 0 ? undefined : value
}
