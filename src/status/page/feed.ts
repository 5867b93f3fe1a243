// What keeps the page current: one stream of events, closed while the page is hidden. A browser opens only six connections to
// a host, so all of its tabs together hold three streams; the others ask every five seconds.
import type { StatusReport } from '../status-report.ts'
import { readJson, zone } from './format.ts'
import { request } from './requests.ts'

/** `lost`: the browser or the page tries again. `restarting`: the gateway has ended the stream. */
export type Link = 'opening' | 'live' | 'asking' | 'lost' | 'restarting'

/** Hears how the link is and, where one has come, the newest report. */
export type FeedListener = (link: Link, report?: StatusReport) => void

/** Until a stream that the gateway has refused or ended is asked for again, in milliseconds. */
const againMs = 3000
/** Between two questions of a page without a stream, in milliseconds. */
const askMs = 5000
const mostStreams = 3
/** Browsers have none for a page that comes over plain HTTP from another machine. */
const locks = navigator.locks as LockManager | undefined

export class Feed {
  readonly #listener: FeedListener
  #days: string
  #closing = new AbortController()
  #timer: ReturnType<typeof setTimeout> | undefined
  #report: StatusReport | undefined

  /** @param days that the stream's sums of usage cover. */
  constructor(days: string, listener: FeedListener) {
    this.#listener = listener
    this.#days = days
  }

  /** Opens the stream unless the page is hidden. An open one is replaced. */
  open(days: string = this.#days): void {
    this.close()
    this.#days = days
    if (document.hidden) return
    this.#closing = new AbortController()
    const { signal } = this.#closing
    if (locks === undefined) void this.#stream(signal)
    else this.#takeTurn(signal, locks, 1)
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#closing.abort()
  }

  /** Holds one of the locks for as long as its stream is open. */
  #takeTurn(signal: AbortSignal, from: LockManager, number: number): void {
    void from.request(`feed-${number}`, { ifAvailable: true }, (lock) => {
      if (signal.aborted) return undefined
      if (lock !== null) return this.#stream(signal)
      if (number < mostStreams) this.#takeTurn(signal, from, number + 1)
      else void this.#ask(signal)
      return undefined
    })
  }

  #address(of: 'events' | 'data'): string {
    return `/status/${of}?days=${this.#days}&zone=${encodeURIComponent(zone)}`
  }

  /** Resolves when the stream is closed. */
  #stream(signal: AbortSignal): Promise<void> {
    const source = new EventSource(this.#address('events'))
    // The first has all members, each later one those that are new.
    const take = ({ data }: MessageEvent) =>
      this.#take({ ...this.#report, ...(readJson(data as string) as StatusReport) }, 'live')
    source.addEventListener('report', take)
    source.addEventListener('change', take)
    source.addEventListener('bye', () => {
      this.#listener('restarting')
      this.#again(againMs)
    })
    source.addEventListener('error', () => {
      this.#listener('lost')
      // A browser gives up on an answer that is not a stream, such as a 503.
      if (source.readyState === source.CLOSED) this.#again(againMs)
    })
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        source.close()
        resolve()
      })
    })
  }

  async #ask(signal: AbortSignal): Promise<void> {
    const answer = await request(this.#address('data'), {
      signal: AbortSignal.any([signal, AbortSignal.timeout(askMs)]),
    })
    if (signal.aborted) return
    if (answer.ok) this.#take(answer.value as StatusReport, 'asking')
    else this.#listener('lost')
    this.#again(askMs)
  }

  #again(ms: number): void {
    this.close()
    this.#timer = setTimeout(() => this.open(), ms)
  }

  #take(report: StatusReport, link: Link): void {
    this.#report = report
    this.#listener(link, report)
  }
}
