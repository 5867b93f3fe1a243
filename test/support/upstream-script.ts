// What a scripted provider does, step by step, and the usual whole responses made of such steps.

/** One thing that the provider does. Without `end` or `reset` the connection stays open for a next request. */
export type Step =
  | { readonly kind: 'write'; readonly bytes: Uint8Array; readonly splitAt: Splits }
  | { readonly kind: 'wait'; readonly gate: Promise<unknown> }
  | { readonly kind: 'end' | 'reset' | 'hang' }

/** Positions at which bytes are cut into pieces, each written on its own. */
export type Splits = 'every byte' | readonly number[]

/** Steps in order. A generator makes responses that would not fit into memory, or that depend on what happens. */
export type Script = Iterable<Step> | AsyncIterable<Step>

// ── Steps ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Exactly these bytes; text is taken as UTF-8. */
export function bytes(raw: Uint8Array | string, splitAt: Splits = []): Step {
  return { kind: 'write', bytes: typeof raw === 'string' ? Buffer.from(raw) : raw, splitAt }
}

/** Goes on when the test settles the promise. */
export function wait(gate: Promise<unknown>): Step {
  return { kind: 'wait', gate }
}

/** Closes the connection in order (FIN). */
export const end: Step = { kind: 'end' }
/** Breaks the connection (RST). */
export const reset: Step = { kind: 'reset' }
/** Says nothing more until the client leaves. */
export const hang: Step = { kind: 'hang' }

/** The script, once the test settles the promise. */
export async function* after(gate: Promise<unknown>, script: Script): AsyncGenerator<Step> {
  yield wait(gate)
  yield* script
}

// ── Whole responses ─────────────────────────────────────────────────────────────────────────────────────────────────

type Headers = Readonly<Record<string, string>>

/** Start line and headers, as they are given and nothing else. */
export function head(status: number, headers: Headers = {}): Step {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return bytes(`HTTP/1.1 ${status} Scripted\r\n${lines.join('')}\r\n`)
}

/** One piece of a body with `transfer-encoding: chunked`. An empty one would end the body and is refused. */
export function chunk(content: Uint8Array | string): Step {
  const body = Buffer.from(content as string)
  if (body.length === 0) throw new Error('an empty chunk ends the body: use lastChunk')
  return bytes(Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')]))
}

/** Ends a chunked body. */
export const lastChunk: Step = bytes('0\r\n\r\n')

/** A complete response with `content-length`. */
export function content(
  status: number,
  contentType: string,
  body: Uint8Array | string,
  headers: Headers = {},
): Script {
  const length = String(Buffer.byteLength(body))
  return [head(status, { 'content-type': contentType, 'content-length': length, ...headers }), bytes(body)]
}

/** A complete JSON response. */
export function json(status: number, body: unknown, headers: Headers = {}): Script {
  return content(status, 'application/json', JSON.stringify(body), headers)
}

/** A complete chunked response, one chunk for each piece that `splitAt` makes of the body. */
export function stream(
  body: Uint8Array | string,
  options: { contentType?: string; headers?: Headers; splitAt?: Splits } = {},
): Script {
  const contentType = options.contentType ?? 'text/event-stream; charset=utf-8'
  const pieces = split(Buffer.from(body as string), options.splitAt ?? [])
  return [streamHead({ 'content-type': contentType, ...options.headers }), ...pieces.map(chunk), lastChunk]
}

/** Head of a chunked event stream, for scripts that go on with `chunk` and `wait`. */
export function streamHead(headers: Headers = {}): Step {
  return head(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'transfer-encoding': 'chunked',
    ...headers,
  })
}

/** A complete event stream: each payload is one `data:` event, and one chunk unless `splitAt` cuts elsewhere. */
export function sse(
  payloads: readonly string[],
  options: { headers?: Headers; splitAt?: Splits } = {},
): Script {
  const events = payloads.map((payload) => `data: ${payload}\n\n`)
  if (options.splitAt !== undefined) return stream(events.join(''), options)
  return [streamHead(options.headers), ...events.map(chunk), lastChunk]
}

/** The pieces of a body between the cuts; positions outside of it cut nothing. */
export function split(body: Buffer, splitAt: Splits): Buffer[] {
  const cuts = splitAt === 'every byte' ? Array.from(body.keys()) : splitAt
  const bounds = [...new Set([0, ...cuts, body.length])]
    .filter((at) => at <= body.length)
    .sort((a, b) => a - b)
  return bounds.slice(1).map((bound, index) => body.subarray(bounds[index], bound))
}
