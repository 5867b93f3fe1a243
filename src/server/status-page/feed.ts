// The event stream of the status page. The whole report comes first, then the members that have changed, at most once a
// second; without an open stream nothing is collected and no timer runs.
import type { ServerResponse } from 'node:http'
import type { Clock } from '../../platform/clock.ts'
import type { StatusReport } from '../../status/status-report.ts'
import type { StatusView } from '../../status/status-source.ts'

export interface FeedParts extends Pick<Clock, 'now' | 'setTimer'> {
  readonly readReport: (view: StatusView) => Promise<StatusReport>
  /** Receives what `readReport` has thrown: a bug. */
  readonly onError: (error: unknown) => void
}

interface Stream {
  readonly response: ServerResponse
  readonly view: StatusView
  /** The members as they were sent last; undefined: nothing was. */
  sent: Members | undefined
  sentAtMs: number
}

/** By name, as JSON. */
type Members = ReadonlyMap<string, string>

/** Of the user that runs the gateway, and of all others. Browsers open six connections to a host, and each tab has one stream. */
const maxStreams = 8
const tickMs = 1_000
/** A comment keeps proxies and tunnels from closing a stream that has no news. */
const commentAfterMs = 15_000
/** A reader that is behind by more is skipped, and gets the sum of the changes later; after a minute it is cut off. */
const maxBehindBytes = 65_536
const maxBehindMs = 60_000

export class StatusFeed {
  readonly #parts: FeedParts
  readonly #streams = new Set<Stream>()
  #stopTimer: (() => void) | undefined
  #isTicking = false
  #isClosed = false

  constructor(parts: FeedParts) {
    this.#parts = parts
  }

  /** Others cannot keep the page from the user that runs the gateway. */
  isFullFor({ viewer }: StatusView): boolean {
    const same = [...this.#streams].filter(({ view }) => view.viewer.may_cancel === viewer.may_cancel)
    return same.length >= maxStreams
  }

  /** Writes to the response from here on; its head has been written. It ends with the client, or with `close`. */
  open(response: ServerResponse, view: StatusView): void {
    const stream: Stream = { response, view, sent: undefined, sentAtMs: this.#parts.now() }
    response.on('error', ignore)
    response.write('retry: 2000\n\n')
    if (this.#isClosed) return end(stream)
    this.#streams.add(stream)
    response.once('close', () => this.#remove(stream))
    void this.#send([stream])
    if (!this.#isTicking) this.#wait()
  }

  /** Ends all streams now, and those that are opened later at once. */
  close(): void {
    this.#isClosed = true
    this.#stopTimer?.()
    for (const stream of this.#streams) end(stream)
    this.#streams.clear()
  }

  #remove(stream: Stream): void {
    this.#streams.delete(stream)
    if (this.#streams.size > 0) return
    this.#stopTimer?.()
    this.#stopTimer = undefined
  }

  #wait(): void {
    this.#stopTimer ??= this.#parts.setTimer(() => void this.#tick(), tickMs)
  }

  async #tick(): Promise<void> {
    this.#stopTimer = undefined
    this.#isTicking = true
    await this.#send([...this.#streams])
    this.#isTicking = false
    if (this.#streams.size > 0 && !this.#isClosed) this.#wait()
  }

  /** Views that are the same share a report. */
  async #send(streams: readonly Stream[]): Promise<void> {
    const reports = new Map<string, Promise<Members | undefined>>()
    const ready = streams.filter((stream) => !this.#isBehind(stream))
    await Promise.all(
      ready.map(async (stream) => {
        const key = JSON.stringify(stream.view)
        const report = reports.get(key) ?? this.#read(stream.view)
        reports.set(key, report)
        const members = await report
        if (members !== undefined && this.#streams.has(stream)) this.#write(stream, members)
      }),
    )
  }

  #isBehind({ response, sentAtMs }: Stream): boolean {
    if (response.writableLength <= maxBehindBytes) return false
    if (this.#parts.now() - sentAtMs > maxBehindMs) response.destroy()
    return true
  }

  async #read(view: StatusView): Promise<Members | undefined> {
    try {
      const report = await this.#parts.readReport(view)
      return new Map(Object.entries(report).map(([name, value]) => [name, JSON.stringify(value)]))
    } catch (error) {
      this.#parts.onError(error)
      return undefined
    }
  }

  #write(stream: Stream, members: Members): void {
    const { response, sent } = stream
    const changed = [...members].filter(([name, json]) => sent?.get(name) !== json)
    const nowMs = this.#parts.now()
    if (changed.length === 0) {
      if (nowMs - stream.sentAtMs < commentAfterMs) return
      response.write(': \n\n')
    } else {
      const data = changed.map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(',')
      response.write(`event: ${sent === undefined ? 'report' : 'change'}\ndata: {${data}}\n\n`)
    }
    stream.sent = members
    stream.sentAtMs = nowMs
  }
}

function end({ response }: Stream): void {
  response.end('event: bye\ndata: {}\n\n')
}

function ignore(): void {}
