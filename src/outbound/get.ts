// Requests of the gateway's own to servers that are no providers: bounded in size and time, and no redirect is followed, so
// that nothing but the configuration chooses whom the gateway asks.
import type { Dispatcher } from 'undici'
import Client from 'undici/lib/dispatcher/client.js'

export interface GetLimits {
  readonly maxBytes: number
  /** For all of it, in milliseconds. */
  readonly timeoutMs: number
}

export type GetOutcome =
  | {
      /** The body of a 200. */
      readonly text: string
      /** The server's clock when it answered, in milliseconds since 1970. Undefined: it did not report any. */
      readonly dateMs: number | undefined
    }
  /** Why there is none, in words that follow a colon. */
  | { readonly fault: string }

/** Gets a text over a connection of its own. Never rejects. @param text an `http:` or `https:` URL. */
export async function get(text: string, limits: GetLimits): Promise<GetOutcome> {
  const { origin, pathname, search } = new URL(text)
  const client = new Client(origin, { allowH2: false, pipelining: 1, maxHeaderSize: 16_384 })
  const { promise, resolve } = Promise.withResolvers<GetOutcome>()
  const seconds = limits.timeoutMs / 1000
  const timer = setTimeout(
    () => resolve({ fault: `no whole response within ${seconds} s` }),
    limits.timeoutMs,
  )
  const request = { path: pathname + search, method: 'GET', headers: { accept: 'application/json' } } as const
  client.dispatch(request, new Body(limits.maxBytes, resolve))
  const outcome = await promise
  clearTimeout(timer)
  await client.destroy()
  return outcome
}

class Body implements Dispatcher.DispatchHandler {
  readonly #maxBytes: number
  readonly #resolve: (outcome: GetOutcome) => void
  readonly #chunks: Buffer[] = []
  #length = 0
  #dateMs: number | undefined

  /** @param resolve the first call counts. */
  constructor(maxBytes: number, resolve: (outcome: GetOutcome) => void) {
    this.#maxBytes = maxBytes
    this.#resolve = resolve
  }

  onRequestStart(): void {}

  onResponseStart(
    _: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    // Of a response that a cache has kept, the date is that of the original.
    const dateMs = headers['age'] === undefined ? Date.parse(String(headers['date'])) : NaN
    this.#dateMs = Number.isNaN(dateMs) ? undefined : dateMs
    if (status >= 200 && status !== 200) this.#resolve({ fault: `status ${status}` })
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#length += chunk.length
    if (this.#length > this.#maxBytes) this.#resolve({ fault: `more than ${this.#maxBytes} bytes` })
    else this.#chunks.push(chunk)
  }

  onResponseEnd(): void {
    this.#resolve({ text: Buffer.concat(this.#chunks).toString(), dateMs: this.#dateMs })
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error & { readonly code?: string }): void {
    this.#resolve({ fault: error.code ?? error.message })
  }
}
