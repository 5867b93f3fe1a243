// How servers count the tokens of a request without generating anything: with their own template and tokenizer, and in no slot.
import { membersOf, parseJson } from '../../bytes/json/parse.ts'
import type { HttpProvider } from '../../config/provider-types.ts'

/** Kinds of servers that count. */
export type CountingKind = Extract<HttpProvider['kind'], 'llama_cpp' | 'vllm'>

/** A request for a count, or for what is to be counted. */
export interface CountRequest {
  /** As of `ProbeRequest`. */
  readonly path: string
  readonly body: Buffer
}

/** A count in tokens, or the request that is to follow. Undefined: the server does not count such requests. */
export type CountStep = number | CountRequest | undefined

/** Of formats, by the names of dialects: where each kind counts a request as it would be sent to be answered. */
const paths: Readonly<Record<CountingKind, Readonly<Record<string, string>>>> = {
  llama_cpp: {
    chat: '/chat/completions/input_tokens',
    messages: '/messages/count_tokens',
    response: '/responses/input_tokens',
  },
  vllm: { chat: '//tokenize', completion: '//tokenize', messages: '/messages/count_tokens' },
}

export function isCountingKind(kind: string): kind is CountingKind {
  return Object.hasOwn(paths, kind)
}

/** The first request for the count of a request in this format (`ProviderDialect.name`); undefined: the kind counts none. */
export function countRequest(kind: CountingKind, format: string, body: Buffer): CountRequest | undefined {
  const path = paths[kind][format]
  return path === undefined ? undefined : { path, body }
}

/**
 * What follows from a response.
 * @param asked the request; `first`, the one that the steps began with.
 */
export function readCount(
  response: { readonly status: number; readonly body: Buffer },
  asked: CountRequest,
  first: CountRequest,
): CountStep {
  // Older llama.cpp counts no chat, but shows what its template makes of one, and counts that.
  if (response.status === 404 && asked.path === paths.llama_cpp['chat']) {
    return { path: '//apply-template', body: first.body }
  }
  if (response.status !== 200) return undefined
  const { input_tokens: input, count, prompt, tokens } = membersOf(parseJson(response.body))
  if (asked.path === '//apply-template') {
    if (typeof prompt !== 'string') return undefined
    const text = { content: prompt, add_special: true, parse_special: true }
    return { path: '//tokenize', body: Buffer.from(JSON.stringify(text)) }
  }
  const counted = input ?? count ?? (Array.isArray(tokens) ? tokens.length : undefined)
  return typeof counted === 'number' && Number.isSafeInteger(counted) && counted > 0 ? counted : undefined
}
