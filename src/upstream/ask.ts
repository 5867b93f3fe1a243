// A short question to a provider that is no call: what models it has, whether it is well. Its answer is taken whole,
// up to a size and a time, and nothing of it is believed.
import type { SetTimer } from '../platform/clock.ts'
import { ByteCollector } from '../http/byte-collector.ts'
import type { Exchange, Provider, ProviderFailure } from './provider.ts'

/** How a question came out. */
export type Asked =
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly body: Buffer
      /** False: there was more than `maxBytes`. */
      readonly isWhole: boolean
    }
  | { readonly kind: 'failed'; readonly failure: ProviderFailure }

export interface Question {
  /** Below the provider's base URL: `/models`. */
  readonly path: string
  readonly maxBytes: number
  /** For the whole answer. */
  readonly timeoutMs: number
}

/** @param onAsked is called once, and never from within `ask`; not after the question was aborted. */
export function ask(
  provider: Provider,
  { path, maxBytes, timeoutMs }: Question,
  setTimer: SetTimer,
  onAsked: (asked: Asked) => void,
): Pick<Exchange, 'abort'> {
  const held = new ByteCollector()
  let status = 0
  let state: 'open' | 'over' | 'aborted' = 'open'
  const end = (asked: Asked) => {
    if (state !== 'open') return
    state = 'over'
    stopTimer()
    // Not at once: it may have failed while it was begun.
    queueMicrotask(() => {
      exchange.abort()
      if (state === 'over') onAsked(asked)
    })
  }
  const stopTimer = setTimer(() => {
    const detail = `no answer within ${timeoutMs / 1000} s`
    end({ kind: 'failed', failure: { kind: 'timeout', code: 'TIMEOUT', detail } })
  }, timeoutMs)
  const answered = (isWhole: boolean) => end({ kind: 'answered', status, body: held.take(), isWhole })
  const exchange = provider.get(path, {
    onHead(head) {
      status = head.status
    },
    onData(chunk) {
      if (held.length + chunk.length > maxBytes) answered(false)
      else held.push(chunk)
    },
    onEnd: () => answered(true),
    onFailure: (failure) => end({ kind: 'failed', failure }),
  })
  return {
    abort() {
      state = 'aborted'
      stopTimer()
      exchange.abort()
    },
  }
}
