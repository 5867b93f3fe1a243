// The size of the prompt of a JSON request, counted while its body is scanned.
import type { RequestSize } from '../../domain.ts'
import type { JsonPosition, JsonVisitor } from '../../bytes/json/types.ts'
import { isDigit } from '../../bytes/json/tokens.ts'
import { isMedia } from './media-string.ts'
import { progressWish } from './reshape/progress.ts'

/** How the strings of a member, the elements of its array and the numbers in it count. */
interface PromptRole {
  /** The model reads the names in schemas too. */
  readonly isSchema?: boolean
  readonly elements?: 'messages' | 'prompts' | 'tools'
  readonly mayHoldTokenIds?: boolean
}

const detail: PromptRole = {}
const wish: PromptRole = {}

const promptRoles: ReadonlyMap<string, PromptRole> = new Map([
  ['documents', {}],
  ['functions', { isSchema: true, elements: 'tools' }],
  ['image', {}],
  ['images', {}],
  ['input', { elements: 'messages', mayHoldTokenIds: true }],
  ['input_extra', {}],
  ['input_prefix', {}],
  ['input_suffix', {}],
  ['instructions', {}],
  ['mask', {}],
  ['messages', { elements: 'messages' }],
  ['output_config', { isSchema: true }],
  ['prompt', { elements: 'prompts', mayHoldTokenIds: true }],
  ['query', {}],
  ['response_format', { isSchema: true }],
  ['system', {}],
  ['tools', { isSchema: true, elements: 'tools' }],
])

/** What surrounds the prompt of llama.cpp's `/infill`. */
const infillMembers: readonly string[] = ['input_extra', 'input_prefix', 'input_suffix']

/** With a value that asks for something, the answer is more than the sum of its stream, or the stream more than the answer. */
const detailMembers: ReadonlySet<string> = new Set([
  'logprobs',
  'n_cmpl',
  'n_probs',
  'post_sampling_probs',
  'reasoning_format',
  'response_fields',
  progressWish,
  'return_tokens',
  'top_logprobs',
])

/** By the member: where in its value the wish to think stands; empty: it is the value itself. And which values are the wish. */
const thinkingMembers: ReadonlyMap<string, ReadonlyMap<string, (value: string) => boolean>> = new Map([
  // Messages.
  ['thinking', new Map([['type', (value) => isText(value) && value !== '"disabled"']])],
  // Chat.
  ['reasoning_effort', new Map([['', isEffort]])],
  // Responses, and OpenRouter.
  [
    'reasoning',
    new Map([
      ['effort', isEffort],
      ['enabled', isTrue],
      ['max_tokens', (value: string) => /^[-\d]/.test(value)],
    ]),
  ],
  // Ollama.
  ['think', new Map([['', (value: string) => isTrue(value) || isEffort(value)]])],
  // A switch of templates.
  ['chat_template_kwargs', new Map([['enable_thinking', isTrue]])],
])

function isText(value: string): boolean {
  return value.startsWith('"')
}

function isEffort(value: string): boolean {
  return isText(value) && value !== '"none"'
}

function isTrue(value: string): boolean {
  return value === 'true'
}

/** No name is longer, nor a value that matters. */
const maxWishBytes = 32

/** The members whose values `PromptSize` visits in OpenAI's formats. */
export const promptMembers: readonly string[] = [
  ...[...promptRoles.keys()].filter((name) => !infillMembers.includes(name)),
  ...detailMembers,
  ...thinkingMembers.keys(),
]

/** The types of parts with an image, in their quotes: in Messages, in chat, in Responses. */
const imageTypes: readonly Buffer[] = ['"image"', '"image_url"', '"input_image"'].map((type) =>
  Buffer.from(type),
)
const typeKey = Buffer.from('type')
/** Ollama's messages have their images here, as a list of base64. */
const imagesKey = Buffer.from('images')

const ARRAY = 0x5b
const MINUS = 0x2d
const ZERO = 0x30
const FALSE_START = 0x66
const NULL_START = 0x6e
const QUOTE = 0x22

/** Adds up as the scan goes on. */
export class PromptSize implements JsonVisitor {
  private role: PromptRole = {}
  /** Whether one of `detailMembers` asks for something. */
  asksDetails = false
  /** Whether the client sets `return_progress`, to whatever. */
  setsProgress = false
  /** Whether the prompt has a part with an image. */
  hasImages = false
  /** Whether the request offers a tool. */
  hasTools = false
  /** Whether the request asks the model to think. */
  asksThinking = false
  /** Of the member that is visited, if that may be its wish. */
  private wishes: ReadonlyMap<string, (value: string) => boolean> | undefined
  private textBytes = 0
  private mediaCount = 0
  private messageCount = 0
  private tokenIdCount = 0
  private promptCount = 0

  counts(): Omit<RequestSize, 'maxOutputTokens' | 'choices'> {
    const { textBytes, mediaCount, messageCount, tokenIdCount, promptCount } = this
    return { textBytes, mediaCount, messageCount, tokenIdCount, promptCount: Math.max(promptCount, 1) }
  }

  member(name: string): boolean {
    const role = promptRoles.get(name) ?? (detailMembers.has(name) ? detail : undefined)
    this.wishes = role === undefined ? thinkingMembers.get(name) : undefined
    if (role === undefined && this.wishes === undefined) return false
    this.role = role ?? wish
    if (role === detail && name === progressWish) this.setsProgress = true
    return true
  }

  key({ keyStart, keyEnd }: JsonPosition): void {
    if (this.role.isSchema === true) this.textBytes += keyEnd - keyStart
  }

  container({ open }: JsonPosition): void {
    if (this.role === detail) this.asksDetails = true
    this.#element(open)
  }

  scalar(at: JsonPosition, start: number, end: number): void {
    const { bytes, open } = at
    const byte = bytes[start]!
    if (this.wishes !== undefined) {
      this.asksThinking ||= isWish(this.wishes, at, start, end)
      return
    }
    if (this.role === detail) {
      this.asksDetails ||= byte !== ZERO && byte !== FALSE_START && byte !== NULL_START
      return
    }
    if (byte === MINUS || isDigit(byte)) return this.#number(open)
    this.#element(open)
    if (byte !== QUOTE) return
    this.hasImages ||= this.role.isSchema !== true && isOfImage(at, start, end)
    if (isMedia(at, start + 1, end - 1)) this.mediaCount++
    else this.textBytes += end - start - 2
  }

  /** Elements that stand directly in the array of a top-level member count. */
  #element(open: readonly number[]): void {
    const { elements } = this.role
    if (elements === undefined || open.length !== 2 || open[1] !== ARRAY) return
    if (elements === 'messages') this.messageCount++
    else if (elements === 'tools') this.hasTools = true
    else this.promptCount++
  }

  #number(open: readonly number[]): void {
    if (this.role.mayHoldTokenIds !== true) return
    const isDirect = open.length === 2 || (open.length === 3 && open[2] === ARRAY)
    if (isDirect && open[1] === ARRAY) this.tokenIdCount++
  }
}

/** Whether the value from `start` to `end`, in a member or the member's own, asks for what the member may ask for. */
function isWish(
  wishes: ReadonlyMap<string, (value: string) => boolean>,
  { bytes, open, keyStart, keyEnd }: JsonPosition,
  start: number,
  end: number,
): boolean {
  const keyBytes = keyEnd - keyStart
  const isOwn = open.length === 1
  if (!isOwn && (open.length > 2 || open[1] === ARRAY || keyBytes === 0 || keyBytes > maxWishBytes))
    return false
  const isAsked = wishes.get(isOwn ? '' : bytes.toString('latin1', keyStart, keyEnd))
  return isAsked?.(bytes.toString('latin1', start, Math.min(end, start + maxWishBytes))) === true
}

/** Whether the string from `start` to `end` is the type of a part with an image, or an element of `images`. */
function isOfImage(at: JsonPosition, start: number, end: number): boolean {
  const { bytes, open, keyStart, keyEnd } = at
  if (open[open.length - 1] === ARRAY) return isAt(bytes, imagesKey, keyStart, keyEnd)
  // By their lengths first: few strings of a prompt are that short.
  if (end - start > 13 || keyEnd - keyStart !== typeKey.length) return false
  return isAt(bytes, typeKey, keyStart, keyEnd) && imageTypes.some((type) => isAt(bytes, type, start, end))
}

/** Whether `text` stands from `start` to `end`. For a few bytes a loop is faster than a call of the C library. */
function isAt(bytes: Buffer, text: Buffer, start: number, end: number): boolean {
  if (end - start !== text.length) return false
  for (let index = 0; index < text.length; index++) if (bytes[start + index] !== text[index]) return false
  return true
}
