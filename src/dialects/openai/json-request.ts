// A JSON request of OpenAI's API: one scan of its bytes.
import type { MemberRule, RequestSize, Span } from '../../domain.ts'
import { GatewayError } from '../../errors.ts'
import { editMembers, type MemberEdits } from '../../bytes/json/member-edits.ts'
import { readJson, readString, scanJson } from '../../bytes/json/scan.ts'
import type { JsonMember, JsonScan } from '../../bytes/json/types.ts'
import { JsonScanner } from '../../bytes/json/scanner.ts'
import { LargeBody, type SplicedBody } from '../../bytes/large-body.ts'
import { MemberNames } from '../../bytes/json/member-names.ts'
import { splice, type Splice } from '../../bytes/splice.ts'
import type { ReceivedRequest } from '../dialect.ts'
import {
  bytesOf,
  checkModel,
  checkModelName,
  edited,
  invalidRequest,
  type ModelRequest,
  type ServerWishes,
  tooManyMembers,
} from '../request.ts'
import { anySlot } from '../management.ts'
import { includeUsageSplice } from './include-usage.ts'
import { JsonPromptPieces } from '../prompt-pieces.ts'
import { promptMembers, PromptSize } from './prompt-size.ts'
import { progressWish } from './reshape/progress.ts'

export interface JsonFormat {
  /** Whether a stream of the format brings all that a whole answer has. Absent: no. */
  readonly isStreamable?: boolean
  /** Whether `stream_options.include_usage` is part of the format. */
  readonly hasStreamOptions: boolean
  readonly hasOutputTokens: boolean
  /** Members that may occur once, in their exact spelling. Absent: those of OpenAI's formats. */
  readonly guarded?: MemberNames
  /** What is wrong with the members beyond what all formats require. Absent: nothing. */
  readonly problemOf?: (members: JsonScan['members']) => GatewayError | undefined
  /** What to do about a missing model. Absent: nothing more is known. */
  readonly modelHint?: string
  /** The values that a server makes the prompt of, in its order. Absent: those that OpenAI's formats have. */
  readonly promptValues?: (body: Buffer, members: JsonScan['members']) => readonly Span[]
  /** Whether `cache_control` is part of the format. */
  readonly hasCacheMarks?: true
  /** Whether a request is streamed that does not say so. Absent: it is not. */
  readonly streamsByDefault?: boolean
  /** A cap of the output that is no member at the top. Absent: there is none. */
  readonly maxOutputIn?: (body: Buffer, members: JsonScan['members']) => number | undefined
  /** What the request asks for besides an answer, or in its place. Absent: nothing. */
  readonly wishesOf?: (body: Buffer, members: JsonScan['members']) => ServerWishes | undefined
  /** As what a provider keeps the response, and whether it does so unless `store` is false. Absent: it does not. */
  readonly stored?: { readonly as: 'chat_completion' | 'response'; readonly byDefault: boolean } | undefined
}

/** Providers differ in which of these they apply, so the largest counts. */
const outputCaps = [
  'max_completion_tokens',
  'max_output_tokens',
  'max_tokens',
  'n_predict',
  'num_predict',
] as const

/** llama.cpp reads `n_cmpl` before `n`: https://github.com/ggml-org/llama.cpp/blob/master/tools/server/server-task.cpp. */
const choiceCounts = ['best_of', 'n', 'n_cmpl'] as const

/**
 * Members that decide what a call costs and where it goes. Each may occur once, in its exact spelling, so that the gateway
 * and the provider cannot read them differently.
 */
const guardedMembers = new MemberNames(
  [
    ...outputCaps,
    'background',
    'id_slot',
    'functions',
    'input',
    'instructions',
    'messages',
    'model',
    ...choiceCounts,
    'prompt',
    'service_tier',
    'store',
    'stream',
    'stream_options',
    'tools',
  ],
  promptMembers,
)

export function jsonScannerOf(bytes: Buffer, guarded = guardedMembers): JsonScanner {
  return new JsonScanner(bytes, guarded, new PromptSize())
}

export function readJsonRequest(
  format: JsonFormat,
  { body: received, model: named }: ReceivedRequest,
  defaultModel?: string,
): ModelRequest | GatewayError {
  const body = bytesOf(received)
  if (body.length === 0) {
    return invalidRequest('The body is empty; a JSON object with a "model" is expected.')
  }
  const scanned = received instanceof LargeBody ? received.scan : undefined
  const outcome = scanned ?? scanJson(body, format.guarded ?? guardedMembers, new PromptSize())
  if (!outcome.ok) {
    return invalidRequest(`Invalid JSON body: ${outcome.problem} (at byte ${outcome.offset}).`, outcome.param)
  }
  const { scan } = outcome
  const member = scan.members.get('model')
  const other = member === undefined ? (named ?? defaultModel) : named
  if (member === undefined && other === undefined) {
    return invalidRequest(`The body has no "model".${format.modelHint ?? ''}`, 'model')
  }
  const inBody = member && checkModel(member.value, () => readString(body, member))
  const model = other === undefined ? inBody! : checkModelName(other)
  if (model instanceof GatewayError) return model
  const problem = format.problemOf?.(scan.members)
  if (problem !== undefined) return problem
  const wish = scan.members.get('stream')?.kind
  const isStream = format.streamsByDefault === true ? wish !== 'false' : wish === 'true'
  const usageSplice = format.hasStreamOptions && isStream ? includeUsageSplice(body, scan) : undefined
  if (usageSplice instanceof GatewayError) return usageSplice
  const parts = { format, received, body, scan, model, inBody, isStream, usageSplice }
  return new JsonRequest(parts, { body, scan })
}

interface Parts {
  readonly format: JsonFormat
  readonly received: Buffer | LargeBody
  /** Its bytes. */
  readonly body: Buffer
  readonly scan: JsonScan
  readonly model: string
  /** The name that the body has; an error where it is none, and another one counts. */
  readonly inBody: string | GatewayError | undefined
  readonly isStream: boolean
  readonly usageSplice: Splice | undefined
  /** A rule of the model has the say about the slot. Absent: none has. */
  readonly isSlotRuled?: boolean
}

/** A class, because an object made anew with its functions and getters takes four times as long. */
class JsonRequest implements ModelRequest {
  readonly model: string
  readonly isStream: boolean
  readonly contentType = 'application/json'
  readonly body: Buffer | LargeBody
  readonly size: RequestSize
  readonly needs: PromptSize
  readonly mayAskUsage: boolean
  readonly serviceTier: string | undefined
  readonly storedAs: ModelRequest['storedAs']
  declare readonly isInBackground?: true
  declare readonly managing?: string
  declare readonly choosesSlot?: true
  declare readonly onlyLoads?: 'load' | 'unload'
  declare readonly changedMembers?: number
  readonly #parts: Parts
  readonly #edits: MemberEdits | undefined

  /**
   * @param facts where the members are read that decide what the call costs: in the body itself, unless rules change them.
   * @param edits by the model's rules. Absent: there are none.
   */
  constructor(parts: Parts, facts: { body: Buffer; scan: JsonScan }, edits?: MemberEdits) {
    const { format, received, body, scan, model, isStream, usageSplice } = parts
    this.#parts = parts
    this.#edits = edits
    this.model = model
    this.isStream = isStream
    this.body = received
    this.size = sizeOf(format, facts.body, facts.scan)
    this.needs = promptSizeOf(scan)
    this.mayAskUsage = usageSplice !== undefined
    this.serviceTier = serviceTierOf(facts.body, facts.scan)
    this.storedAs = storedAs(format, facts.scan)
    if (isInBackground(format, facts.scan)) this.isInBackground = true
    if (edits !== undefined) this.changedMembers = edits.changes
    const wishes = format.wishesOf?.(body, scan.members)
    if (wishes === undefined) return
    const { choosesSlot, ...others } = wishes
    Object.assign(this, others, choosesSlot === true && parts.isSlotRuled !== true && { choosesSlot })
  }

  get promptPieces(): JsonPromptPieces {
    const { format, body, scan } = this.#parts
    return piecesOf(format, body, scan)
  }

  get mayAskProgress(): boolean {
    const { format, scan } = this.#parts
    return this.isStream && this.size.choices === 1 && mayAskProgress(format, scan, this.#edits)
  }

  bodyFor(
    name: string,
    asksUsage: boolean,
    asksProgress?: boolean,
    freesSlot?: boolean,
  ): Buffer | SplicedBody {
    const { scan, usageSplice } = this.#parts
    const splices = this.#targetSplices(name, freesSlot)
    if (asksProgress === true) splices.push(progressSplice(scan))
    if (asksUsage && usageSplice !== undefined) splices.push(usageSplice)
    if (this.#edits !== undefined) splices.push(...this.#edits.splices)
    return edited(this.body, splices)
  }

  withMembers(rules: readonly MemberRule[]): ModelRequest | GatewayError {
    const { body, scan } = this.#parts
    const made = editMembers(body, rules, scan.members)
    if (made === undefined) return tooManyMembers()
    const isSlotRuled = rules.some(({ kind, name }) => name === 'id_slot' && kind !== 'default')
    return new JsonRequest({ ...this.#parts, isSlotRuled }, afterRules(body, scan, rules), made)
  }

  streamBodyFor(name: string, asksProgress: boolean, freesSlot?: boolean): Buffer | SplicedBody | undefined {
    const { format, body, scan } = this.#parts
    const { choices, maxOutputTokens } = this.size
    if (this.isStream || choices > 1 || asksDetails(scan)) return undefined
    if (maxOutputTokens !== undefined && maxOutputTokens <= maxHeldBackTokens) return undefined
    const asking = streamSplices(
      format,
      body,
      scan,
      asksProgress && mayAskProgress(format, scan, this.#edits),
    )
    if (asking === undefined) return undefined
    const ofTarget = this.#targetSplices(name, freesSlot)
    return edited(this.body, [...ofTarget, ...asking, ...(this.#edits?.splices ?? [])])
  }

  /** None for the model if the body has its name already. */
  #targetSplices(name: string, freesSlot: boolean | undefined): Splice[] {
    const { scan, inBody } = this.#parts
    const splices = name === inBody ? [] : [modelSplice(name, scan, this.#edits?.isEmpty ?? scan.isEmpty)]
    const slot = freesSlot === true ? scan.members.get('id_slot') : undefined
    if (slot !== undefined) splices.push({ at: slot.value, bytes: anySlot })
    return splices
  }
}

/** Members that are read where rules may change them. */
const factMembers = [
  ...outputCaps,
  ...choiceCounts,
  'background',
  'options',
  'service_tier',
  'speed',
  'store',
]
const factNames = new MemberNames(factMembers)
/** Longer values of these are no counts, names or options. */
const maxFactBytes = 4096

/** What `rules` make of the members that decide what a call costs, as an object of these alone. */
function afterRules(
  body: Buffer,
  { members, visitor }: JsonScan,
  rules: readonly MemberRule[],
): { body: Buffer; scan: JsonScan } {
  const own = factMembers.flatMap((name) => {
    const { start, end } = members.get(name)?.value ?? { start: 0, end: 0 }
    const isRead = end > start && end - start <= maxFactBytes
    return isRead ? [`${JSON.stringify(name)}:${body.toString('utf8', start, end)}`] : []
  })
  const before = Buffer.from(`{${own.join(',')}}`)
  const ofFacts = rules.filter(({ name }) => factNames.isWanted(name))
  const edits = editMembers(before, ofFacts)
  if (edits === undefined) throw new Error('short values have many members')
  const facts = splice(before, edits.splices)
  const outcome = scanJson(facts, factNames)
  if (!outcome.ok) throw new Error(outcome.problem)
  return { body: facts, scan: { ...outcome.scan, visitor } }
}

/** @param isEmpty whether the body has no other members. */
function modelSplice(name: string, { members, insertAt }: JsonScan, isEmpty: boolean): Splice {
  const member = members.get('model')
  if (member !== undefined) return { at: member.value, bytes: JSON.stringify(name) }
  const at = { start: insertAt, end: insertAt }
  return { at, bytes: `"model":${JSON.stringify(name)}${isEmpty ? '' : ','}` }
}

/**
 * A stream holds back what may be the beginning of a tool call. Where no more than that comes, llama.cpp leaves it out of
 * the stream; and so short an answer ends soon enough by itself.
 */
export const maxHeldBackTokens = 8

/** The edits that ask for a stream. Undefined if the answer is more than its stream brings. */
function streamSplices(
  format: JsonFormat,
  body: Buffer,
  scan: JsonScan,
  asksProgress: boolean,
): Splice[] | undefined {
  const { members, insertAt, isEmpty } = scan
  if (format.isStreamable !== true || isEmpty || isInBackground(format, scan)) return undefined
  // Several prompts have several answers.
  if (members.get('prompt')?.kind === 'array') return undefined
  const stream = members.get('stream')
  if (stream !== undefined && stream.kind !== 'false' && stream.kind !== 'null') return undefined
  const edits: Splice[] = []
  const inserted = { start: insertAt, end: insertAt }
  edits.push(
    stream === undefined ? { at: inserted, bytes: '"stream":true,' } : { at: stream.value, bytes: 'true' },
  )
  if (asksProgress) edits.push(progressSplice(scan))
  if (!format.hasStreamOptions) return edits
  const options = members.get('stream_options')?.kind
  if (options !== undefined && options !== 'null' && options !== 'object') return undefined
  const usage = includeUsageSplice(body, scan)
  if (usage instanceof GatewayError) return undefined
  return usage === undefined ? edits : [...edits, usage]
}

/** Of a body that has other members. */
function progressSplice({ insertAt }: JsonScan): Splice {
  return { at: { start: insertAt, end: insertAt }, bytes: `"${progressWish}":true,` }
}

/** Neither the client nor a rule of the model has a wish of its own, and there is one prompt to report on. */
function mayAskProgress(
  { hasStreamOptions }: JsonFormat,
  { members, visitor }: JsonScan,
  edits: MemberEdits | undefined,
): boolean {
  if (!hasStreamOptions || members.get('prompt')?.kind === 'array') return false
  if (edits?.splices.some(({ bytes }) => bytes.includes(progressWish)) === true) return false
  return visitor instanceof PromptSize && !visitor.setsProgress
}

/** Whether the answer has more than its stream, or what it has cannot be told. */
function asksDetails({ visitor }: JsonScan): boolean {
  return !(visitor instanceof PromptSize) || visitor.asksDetails
}

/** Anthropic has a dearer way of serving besides its tiers: `speed: fast`. */
function serviceTierOf(body: Buffer, { members }: JsonScan): string | undefined {
  const [speed, tier] = [members.get('speed'), members.get('service_tier')]
  if (speed === undefined && tier === undefined) return undefined
  const fast = speed && readString(body, speed)
  return fast === 'fast' ? fast : tier && readString(body, tier)
}

function storedAs({ stored }: JsonFormat, { members }: JsonScan): ModelRequest['storedAs'] {
  const store = members.get('store')?.kind
  const isStored = stored?.byDefault === true ? store !== 'false' : store === 'true'
  return isStored ? stored?.as : undefined
}

/** Only a response can be fetched later. */
function isInBackground({ stored }: JsonFormat, { members }: JsonScan): boolean {
  const kind = stored?.as === 'response' ? members.get('background')?.kind : undefined
  return kind !== undefined && kind !== 'false' && kind !== 'null'
}

function piecesOf(
  { promptValues = openAiPromptValues, hasCacheMarks }: JsonFormat,
  body: Buffer,
  { members }: JsonScan,
): JsonPromptPieces {
  return new JsonPromptPieces(body, promptValues(body, members), hasCacheMarks === true)
}

/** Chat templates put tools at the start. */
function openAiPromptValues(_: Buffer, members: JsonScan['members']): readonly Span[] {
  const prompt = members.get('messages') ?? members.get('input') ?? members.get('prompt')
  const values = [members.get('tools'), members.get('functions'), members.get('instructions'), prompt]
  return values.flatMap((member) => member?.value ?? [])
}

function sizeOf({ hasOutputTokens, maxOutputIn }: JsonFormat, body: Buffer, scan: JsonScan): RequestSize {
  const { members } = scan
  const counts = promptSizeOf(scan).counts()
  const numberIn = (name: string) => readCount(body, members.get(name))
  let cap: number | undefined
  for (const name of outputCaps) {
    const value = numberIn(name)
    if (value !== undefined && (cap === undefined || value > cap)) cap = value
  }
  cap ??= maxOutputIn?.(body, members)
  return {
    ...counts,
    // The texts of an embedding are not messages, which add tokens of their own.
    messageCount: hasOutputTokens ? counts.messageCount : 0,
    maxOutputTokens: hasOutputTokens ? cap : 0,
    choices: Math.max(1, numberIn('n') ?? 1, numberIn('best_of') ?? 1, numberIn('n_cmpl') ?? 1),
  }
}

function promptSizeOf({ visitor }: JsonScan): PromptSize {
  if (!(visitor instanceof PromptSize)) throw new Error('scanned without counting the prompt')
  return visitor
}

/** A whole number from 0 on. null, −1 and values of another kind set no cap; the provider judges them. */
function readCount(body: Buffer, member: JsonMember | undefined): number | undefined {
  if (member?.kind !== 'number') return undefined
  const value = readJson(body, member)
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined
}
