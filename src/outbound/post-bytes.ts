// A POST of the gateway's own to a server that is no provider: bounded in size and time, over a connection of its own, with
// the server's certificate verified. No redirect is followed, so that nothing but the configuration chooses who receives it.
import type { Dispatcher } from 'undici'
import Client from 'undici/lib/dispatcher/client.js'

export interface PostRequest {
  /** An `http:` or `https:` URL. */
  readonly url: string
  /** Names and values in turn. */
  readonly headers: readonly string[]
  readonly body: Uint8Array | string
}

export interface PostLimits {
  /** Of the response's body; what is beyond is not read. */
  readonly maxBytes: number
  /** For all of it, in milliseconds. */
  readonly timeoutMs: number
  /** Ends it early. */
  readonly signal?: AbortSignal
}

export type PostOutcome =
  | {
      readonly status: number
      /** As it came: seconds or a date. */
      readonly retryAfter: string | undefined
      /** At most `maxBytes` of it. */
      readonly body: Buffer
    }
  | {
      /** Why there is no response, in words that follow a colon. They hold nothing of the URL. */
      readonly fault: string
      /** The request has reached nobody. */
      readonly isUnsent: boolean
    }

/** Posts a body. Never rejects. */
export async function postBytes(
  { url, headers, body }: PostRequest,
  { maxBytes, timeoutMs, signal }: PostLimits,
): Promise<PostOutcome> {
  const { origin, pathname, search } = new URL(url)
  const client = new Client(origin, { allowH2: false, pipelining: 1, maxHeaderSize: 16_384 })
  const { promise, resolve } = Promise.withResolvers<PostOutcome>()
  const response = new Response(maxBytes, resolve)
  const end = (fault: string) => resolve({ fault, isUnsent: !response.wasSent })
  const timer = setTimeout(() => end(`no whole response within ${timeoutMs / 1000} s`), timeoutMs)
  const stop = () => end('ended early')
  signal?.addEventListener('abort', stop)
  if (signal?.aborted === true) stop()
  else client.dispatch({ path: pathname + search, method: 'POST', headers: [...headers], body }, response)
  const outcome = await promise
  clearTimeout(timer)
  signal?.removeEventListener('abort', stop)
  await client.destroy()
  return outcome
}

class Response implements Dispatcher.DispatchHandler {
  wasSent = false
  readonly #maxBytes: number
  readonly #resolve: (outcome: PostOutcome) => void
  readonly #chunks: Buffer[] = []
  #length = 0
  #status = 0
  #retryAfter: string | undefined

  /** @param resolve the first call counts. */
  constructor(maxBytes: number, resolve: (outcome: PostOutcome) => void) {
    this.#maxBytes = maxBytes
    this.#resolve = resolve
  }

  onRequestStart(): void {
    this.wasSent = true
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (status < 200) return
    this.#status = status
    const retryAfter = headers['retry-after']
    this.#retryAfter = typeof retryAfter === 'string' ? retryAfter : undefined
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk.subarray(0, this.#maxBytes - this.#length))
    this.#length += chunk.length
    if (this.#length > this.#maxBytes) this.#end()
  }

  onResponseEnd(): void {
    this.#end()
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error & { readonly code?: string }): void {
    this.#resolve({ fault: error.code ?? error.message, isUnsent: !this.wasSent })
  }

  #end(): void {
    const [status, retryAfter] = [this.#status, this.#retryAfter]
    this.#resolve({ status, retryAfter, body: Buffer.concat(this.#chunks) })
  }
}
