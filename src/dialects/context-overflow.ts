// Errors that say that a prompt does not fit into a model's context, in the words of the servers that send them.
import { membersOf, parseJson } from '../bytes/json/parse.ts'
import { GatewayError } from '../errors.ts'
import type { ErrorFields } from './dialect.ts'

/** What a server has counted, in tokens. Absent: its error has no such number. */
export interface ContextOverflow {
  /** Of the prompt, or of the prompt and the answer that was requested. */
  readonly needed?: number
  readonly had?: number
}

/** As servers without a code of their own report it: vLLM, SGLang, Ollama, llama.cpp, LM Studio, Anthropic, Gemini. */
const overflowWords =
  /maximum context length|context (?:length|window|size).{0,40}(?:exceed|too)|exceeds?.{0,60}context (?:length|limit|window|size)|(?:prompt|input|request) is too long|longer than the model's context|input token count.{0,40}exceeds/i

/** An error's words stand at its beginning; what follows may quote the prompt. */
const maxReadLength = 2_048

/** Whether a provider's error says that the prompt does not fit into the model's context. */
export function isContextOverflow({ message, type, code }: ErrorFields): boolean {
  if (code === overflowCode || type === llamaCppType) return true
  return overflowWords.test(message.slice(0, maxReadLength))
}

/** OpenAI's, by which its clients recognize the error. */
export const overflowCode = 'context_length_exceeded'
/** What Claude Code recognizes a full context by. */
export const overflowBeginning = 'prompt is too long'
/** Of llama.cpp, which also writes `n_prompt_tokens` and `n_ctx`. */
const llamaCppType = 'exceed_context_size_error'

const overflowStatuses: ReadonlySet<number> = new Set([400, 413, 422])

/**
 * Reads an error response. Undefined: it is about something else.
 * @param fields the error as its format reads it.
 */
export function readContextOverflow(
  status: number,
  fields: ErrorFields | undefined,
  body: Buffer,
): ContextOverflow | undefined {
  if (fields === undefined || !overflowStatuses.has(status) || !isContextOverflow(fields)) return undefined
  const own = membersOf(membersOf(parseJson(body))['error'])
  const message = fields.message.slice(0, maxReadLength)
  const needed = countOf(own['n_prompt_tokens']) ?? sumIn(message) ?? numberIn(message, neededWords)
  const had = countOf(own['n_ctx']) ?? numberIn(message, hadWords)
  return { ...(needed !== undefined && { needed }), ...(had !== undefined && { had }) }
}

const neededWords = [
  /too long: (\d{1,9}) tokens/,
  /request \((\d{1,9}) tokens/,
  /requested (\d{1,9}) tokens/,
  /resulted in (\d{1,9}) tokens/,
  /(?:has|contains) (\d{1,9}) (?:input )?tokens/,
  /token count \((\d{1,9})\)/,
]

const hadWords = [
  /> (\d{1,9})/,
  /maximum context length (?:is|of) (\d{1,9})/,
  /(\d{1,9}) maximum context length/,
  /context size \((\d{1,9})/,
  /tokens allowed \((\d{1,9})\)/,
]

/** Anthropic's, of a prompt that fits only without its answer: `188240 + 21333 > 200000`. */
function sumIn(message: string): number | undefined {
  const found = /(\d{1,9}) \+ (\d{1,9}) > /.exec(message)
  return found === null ? undefined : Number(found[1]) + Number(found[2])
}

function numberIn(message: string, patterns: readonly RegExp[]): number | undefined {
  for (const pattern of patterns) {
    const found = pattern.exec(message)
    if (found !== null) return Number(found[1])
  }
  return undefined
}

function countOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}

/** Whether clients of OpenAI's formats recognize the error. */
export function hasOverflowCode({ code }: ErrorFields): boolean {
  return code === overflowCode
}

/** Whether clients of Anthropic's format recognize the error. */
export function hasOverflowWords({ message }: ErrorFields): boolean {
  return message.startsWith(overflowBeginning)
}

/** The gateway's own error in place of a server's that clients would not recognize, in the words of Anthropic and of OpenAI. */
export function contextTooLong(context: ContextOverflow): GatewayError {
  const { needed, had } = context
  const counts = needed === undefined || had === undefined ? '' : `: ${needed} tokens > ${had} maximum`
  const length = had === undefined ? '' : ` The maximum context length is ${had} tokens.`
  const message = `${overflowBeginning}${counts}.${length} Shorten it, or ask for a model with a larger context.`
  return new GatewayError('context_too_long', message, { context })
}
