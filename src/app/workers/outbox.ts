// Messages to another thread, sent together: waking a thread costs more than a message does.

/** Messages that were sent together, and when: in milliseconds of the clock that all threads share. */
export interface Batch<Message> {
  readonly sentAtMs: number
  readonly messages: readonly Message[]
}

export class Outbox<Message> {
  readonly #send: (batch: Batch<Message>) => void
  #messages: Message[] = []
  #isUrgent = false

  constructor(send: (batch: Batch<Message>) => void) {
    this.#send = send
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
    const [seconds, nanoseconds] = process.hrtime()
    this.#send({ sentAtMs: seconds * 1000 + nanoseconds / 1e6, messages })
  }
}
