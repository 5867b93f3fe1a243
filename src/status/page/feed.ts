// The page's one stream of events. It is closed while the page is hidden: a browser opens only six connections to a host, and
// tabs in the background would keep them all.
import type { StatusReport } from '../status-report.ts'
import { readJson } from './format.ts'

/** `lost`: the browser or the page tries again. `restarting`: the gateway has ended the stream. */
export type Link = 'connecting' | 'live' | 'lost' | 'restarting'

export interface FeedListener {
  onReport(report: StatusReport): void
  onLink(link: Link): void
}

/** Until a stream that the gateway has refused or ended is asked for again, in milliseconds. */
const againMs = 3000

export class Feed {
  readonly #listener: FeedListener
  readonly #urlFor: (days: string) => string
  #days: string
  #source: EventSource | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #report: StatusReport | undefined

  /** @param days that the stream's sums of usage cover. */
  constructor(urlFor: (days: string) => string, days: string, listener: FeedListener) {
    this.#urlFor = urlFor
    this.#days = days
    this.#listener = listener
  }

  /** Opens the stream unless the page is hidden. An open one is replaced. */
  open(days: string = this.#days): void {
    this.close()
    this.#days = days
    if (document.hidden) return
    const source = new EventSource(this.#urlFor(days))
    this.#source = source
    source.addEventListener('report', ({ data }) => this.#take(readJson(String(data)) as StatusReport))
    source.addEventListener('change', ({ data }) => {
      if (this.#report === undefined) return
      this.#take({ ...this.#report, ...(readJson(String(data)) as Partial<StatusReport>) })
    })
    source.addEventListener('bye', () => {
      this.#listener.onLink('restarting')
      this.#again()
    })
    source.addEventListener('error', () => {
      this.#listener.onLink('lost')
      // A browser gives up on an answer that is not a stream, such as a 503.
      if (source.readyState === EventSource.CLOSED) this.#again()
    })
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#source?.close()
    this.#source = undefined
  }

  #again(): void {
    this.close()
    this.#timer = setTimeout(() => this.open(), againMs)
  }

  #take(report: StatusReport): void {
    this.#report = report
    this.#listener.onLink('live')
    this.#listener.onReport(report)
  }
}
