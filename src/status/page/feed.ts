// What keeps the page current: one stream of events, closed while the page is hidden. A browser opens only six connections to
// a host, so all of its tabs together hold three streams; the others ask every five seconds.
import type { StatusReport } from '../status-report.ts'
import { readJson, zone } from './format.ts'
import { request } from './requests.ts'

/** `lost`: the browser or the page tries again. `ended`: the gateway stops, and has said so. */
export type Link = 'opening' | 'live' | 'asking' | 'lost' | 'ended'

/** Hears how the link is and, where one has come, the newest report. */
export type FeedListener = (link: Link, report?: StatusReport) => void

/** Until a stream that the gateway has refused or ended is asked for again, in milliseconds. */
const againMs = 3000
/** Between two questions of a page without a stream, in milliseconds. */
const askMs = 5000
const mostStreams = 3
/** Browsers have none for a page that comes over plain HTTP from another machine. */
const locks = navigator.locks as LockManager | undefined

export interface Feed {
  /** Opens the stream unless the page is hidden. An open one is replaced. @param days that its sums of usage cover. */
  open(days?: string): void
  close(): void
}

export function feedTo(listener: FeedListener, firstDays: string): Feed {
  let days = firstDays
  let closing = new AbortController()
  let timer: ReturnType<typeof setTimeout>
  let report: StatusReport | undefined

  const addressOf = (name: string) => `/status/${name}?days=${days}&zone=${encodeURIComponent(zone)}`

  const close = () => {
    clearTimeout(timer)
    closing.abort()
  }

  const open = (of = days) => {
    close()
    days = of
    if (document.hidden) return
    closing = new AbortController()
    const { signal } = closing
    if (locks === undefined) void stream(signal)
    else takeTurn(signal, locks, 1)
  }

  const again = (ms: number) => {
    close()
    timer = setTimeout(open, ms)
  }

  /** Holds one of the locks for as long as its stream is open. */
  const takeTurn = (signal: AbortSignal, from: LockManager, number: number) => {
    void from.request(`feed-${number}`, { ifAvailable: true }, (lock) => {
      if (signal.aborted) return undefined
      if (lock !== null) return stream(signal)
      if (number < mostStreams) takeTurn(signal, from, number + 1)
      else void ask(signal)
      return undefined
    })
  }

  const take = (change: unknown, link: Link) => {
    report = { ...report, ...(change as StatusReport) }
    listener(link, report)
  }

  /** Resolves when the stream is closed. */
  const stream = (signal: AbortSignal) => {
    const source = new EventSource(addressOf('events'))
    // The first has all members, each later one those that are new.
    for (const name of ['report', 'change']) {
      source.addEventListener(name, ({ data }: MessageEvent<string>) => take(readJson(data), 'live'))
    }
    source.addEventListener('bye', () => {
      listener('ended')
      again(againMs)
    })
    source.addEventListener('error', () => {
      listener('lost')
      // A browser gives up on an answer that is not a stream, such as a 503.
      if (source.readyState === source.CLOSED) again(againMs)
    })
    return new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => {
        source.close()
        resolve()
      })
    })
  }

  const ask = async (signal: AbortSignal) => {
    const answer = await request(addressOf('data'), {
      signal: AbortSignal.any([signal, AbortSignal.timeout(askMs)]),
    })
    if (signal.aborted) return
    if (answer.ok) take(answer.value, 'asking')
    else listener('lost')
    again(askMs)
  }

  return { open, close }
}
