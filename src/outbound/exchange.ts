// A request of the gateway's own to a server that is no provider: over a connection of its own, bounded in size and time. No
// redirect is followed, so that nothing but the configuration chooses whom the gateway asks.
import type { Dispatcher } from 'undici'
import Client from 'undici/lib/dispatcher/client.js'

export interface ExchangeLimits {
  readonly maxBytes: number
  /** For all of it, in milliseconds. */
  readonly timeoutMs: number
  /** What becomes of a longer body. True: its beginning counts. Absent: that is a fault. */
  readonly isCut?: boolean
  /** Ends it early. */
  readonly signal?: AbortSignal
}

export interface OutboundRequest {
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  /** Absent: there is none. */
  readonly body?: string | Uint8Array
}

interface Answer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: ResponseHeaders
  readonly body: Buffer
}

type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>

/** A fault is in words that follow a colon, and never has the URL. */
export type ExchangeOutcome =
  | Answer
  | {
      readonly fault: string
      /** The request has reached nobody. */
      readonly isUnsent: boolean
    }

/**
 * Never rejects.
 * @param url `http:` or `https:`.
 * @param refuse returns why the body of a response is not wanted, by its status; undefined: it is.
 */
export async function exchange(
  url: URL,
  { method, headers, body }: OutboundRequest,
  limits: ExchangeLimits,
  refuse: (status: number) => string | undefined = acceptAll,
): Promise<ExchangeOutcome> {
  const { timeoutMs, signal } = limits
  const client = new Client(url.origin, { allowH2: false, pipelining: 1, maxHeaderSize: 16_384 })
  const { promise, resolve } = Promise.withResolvers<ExchangeOutcome>()
  const response = new Response(limits, refuse, resolve)
  const end = (fault: string) => resolve({ fault, isUnsent: !response.wasSent })
  const timer = setTimeout(() => end(`no whole response within ${timeoutMs / 1000} s`), timeoutMs)
  const stop = () => end('ended early')
  signal?.addEventListener('abort', stop)
  const request = { path: url.pathname + url.search, method, headers, body: body ?? null }
  try {
    if (signal?.aborted === true) stop()
    else client.dispatch(request, response)
  } catch {
    // undici refuses a request that it cannot write; its message may repeat what it was.
    end('the request cannot be written')
  }
  const outcome = await promise
  clearTimeout(timer)
  signal?.removeEventListener('abort', stop)
  await client.destroy()
  return outcome
}

function acceptAll(): undefined {
  return undefined
}

class Response implements Dispatcher.DispatchHandler {
  wasSent = false
  readonly #limits: ExchangeLimits
  readonly #refuse: (status: number) => string | undefined
  readonly #resolve: (outcome: ExchangeOutcome) => void
  readonly #chunks: Buffer[] = []
  #length = 0
  #status = 0
  #headers: ResponseHeaders = {}

  /** @param resolve the first call counts. */
  constructor(
    limits: ExchangeLimits,
    refuse: (status: number) => string | undefined,
    resolve: (outcome: ExchangeOutcome) => void,
  ) {
    this.#limits = limits
    this.#refuse = refuse
    this.#resolve = resolve
  }

  onRequestStart(): void {
    this.wasSent = true
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: ResponseHeaders): void {
    if (status < 200) return
    this.#status = status
    this.#headers = headers
    const fault = this.#refuse(status)
    if (fault !== undefined) this.#fail(fault)
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    const { maxBytes, isCut = false } = this.#limits
    this.#length += chunk.length
    this.#chunks.push(chunk)
    if (this.#length <= maxBytes) return
    if (isCut) this.onResponseEnd()
    else this.#fail(`more than ${maxBytes} bytes`)
  }

  onResponseEnd(): void {
    const body = Buffer.concat(this.#chunks).subarray(0, this.#limits.maxBytes)
    this.#resolve({ status: this.#status, headers: this.#headers, body })
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error & { readonly code?: string }): void {
    this.#fail(error.code ?? error.message)
  }

  #fail(fault: string): void {
    this.#resolve({ fault, isUnsent: !this.wasSent })
  }
}
