// Messages to another thread, sent together: waking a thread costs more than a message does.

/** Messages that were sent together, and when: in milliseconds of the clock that all threads share. */
export interface Batch<Message> {
  readonly sentAtMs: number
  readonly messages: readonly Message[]
}

/** A `MessagePort`, as far as it sends. */
interface Port<Message> {
  postMessage(batch: Batch<Message>, transfer: []): void
}

export class Outbox<Message> {
  readonly #port: Port<Message>
  #messages: Message[] = []
  #isUrgent = false
  /** How many batches were sent: what is posted under the same number travels together. */
  sentBatches = 0

  constructor(port: Port<Message>) {
    this.#port = port
  }

  /** Sends it at the end of this turn of the event loop. */
  post(message: Message): void {
    if (this.#messages.push(message) === 1) setImmediate(() => this.flush())
  }

  /** Sends it, and all before it, as soon as what runs now has returned to the event loop. */
  postSoon(message: Message): void {
    this.post(message)
    if (this.#isUrgent) return
    this.#isUrgent = true
    process.nextTick(() => this.flush())
  }

  /** Sends what there is now. */
  flush(): void {
    this.#isUrgent = false
    if (this.#messages.length === 0) return
    const messages = this.#messages
    this.#messages = []
    this.sentBatches += 1
    const [seconds, nanoseconds] = process.hrtime()
    const batch: Batch<Message> = { sentAtMs: seconds * 1000 + nanoseconds / 1e6, messages }
    this.#port.postMessage(batch, [])
  }
}
