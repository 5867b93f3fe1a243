// Which words and codes of a provider's error may be logged: an operator needs them, but they may quote the prompt or a key.
import type { LargeBody } from '../bytes/large-body.ts'
import { holdsKey } from '../clients/keys/key-format.ts'
import { bytesOf } from '../dialects/request.ts'
import { maskKeyShapes } from '../upstream/mask.ts'
import type { AttemptOutcome } from './attempt-outcome.ts'

const maxWords = 200

/** So many characters in a row that stand in the request too are taken for a quotation of it. */
const quotedLength = 16

/** Larger requests are not searched, and nothing is logged. */
const maxSearchedBytes = 1_048_576

export interface ProviderError {
  readonly status: number
  /** With the provider's own secrets masked. */
  readonly message: string | undefined
  /** The request, and the names in it that are logged anyway. */
  readonly body: Buffer | LargeBody
  readonly names: readonly string[]
}

/** At most 200 characters, with keys masked; undefined where the status is about the request, or the words quote it. */
export function loggableWords({ status, message, body, names }: ProviderError): string | undefined {
  if (message === undefined || !isLogged(status)) return undefined
  const words = maskKeyShapes(message).trim()
  const shown = words.length > maxWords ? `${words.slice(0, maxWords - 1)}…` : words
  const bytes = bytesOf(body)
  if (shown === '' || bytes.length > maxSearchedBytes) return undefined
  const request = bytes.toString()
  // A short name could cut a quotation into pieces that are too short to be found.
  const long = names.filter((name) => name.length >= quotedLength)
  const pieces = long.reduce((texts, name) => texts.flatMap((text) => text.split(name)), [shown])
  const texts = request.includes('\\') ? [request, unescaped(request)] : [request]
  return pieces.some((piece) => texts.some((text) => quotes(piece, text))) ? undefined : shown
}

/** A code that is made of words of the provider's own, as all documented ones are. */
const plainCode = /^[a-z]+(?:[._-][a-z]+)*$/i

/** Undefined where it is a text rather than a code, looks like a key or quotes the request. */
function loggableCode(code: string, body: Buffer | LargeBody | undefined): string | undefined {
  if (!/^[\w.:/-]{1,64}$/.test(code)) return undefined
  if (maskKeyShapes(code) !== code || holdsKey(code)) return undefined
  if (code.length < quotedLength || plainCode.test(code) || body === undefined) return code
  const bytes = bytesOf(body)
  return bytes.length > maxSearchedBytes || quotes(code, bytes.toString()) ? undefined : code
}

/**
 * The same outcome with a provider's code that may be logged and stand in spans, or without one. Nothing is decided by it.
 * @param body of the request; undefined: it was not kept, and is not searched.
 */
export function withLoggableCode(
  outcome: AttemptOutcome,
  body: Buffer | LargeBody | undefined,
): AttemptOutcome {
  if (outcome.kind !== 'refused' && outcome.kind !== 'failed') return outcome
  const { providerCode: code } = outcome
  return code === undefined ? outcome : { ...outcome, providerCode: loggableCode(code, body) }
}

/** Other statuses say what is wrong with the request, mostly in its own words. */
function isLogged(status: number): boolean {
  return (status >= 401 && status <= 404) || status === 408 || status === 429 || status >= 500
}

/** The texts of a JSON body as the provider reads them. */
function unescaped(json: string): string {
  return json.replace(/\\(?:u([0-9a-f]{4})|(.))/gi, (_, code: string | undefined, plain: string) => {
    if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16))
    return shortEscapes[plain] ?? plain
  })
}

const shortEscapes: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

/** Searches by halves first, because any run of that length holds one that begins at a multiple of half of it. */
function quotes(words: string, request: string): boolean {
  const half = quotedLength / 2
  for (let at = 0; at + half <= words.length; at += half) {
    if (!request.includes(words.slice(at, at + half))) continue
    for (
      let start = Math.max(0, at - half + 1);
      start <= at && start + quotedLength <= words.length;
      start++
    ) {
      if (request.includes(words.slice(start, start + quotedLength))) return true
    }
  }
  return false
}
