// Messages of several threads in the order in which they were sent. Left to itself, the event loop takes one port after
// the other: a call that begins because another one has ended could overtake the message about that end.
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import type { Batch } from './outbox.ts'

type Handle<Message> = (message: Message) => void

export class Inbox<Message> {
  readonly #ports = new Map<MessagePort, Handle<Message>>()

  open(port: MessagePort, handle: Handle<Message>): void {
    this.#ports.set(port, handle)
    port.on('message', (batch: Batch<Message>) => this.#receive(batch, handle))
  }

  /** Handles what has come, and nothing after it. */
  close(port: MessagePort): void {
    this.#receiveAll([])
    this.#ports.delete(port)
    port.close()
  }

  #receive(batch: Batch<Message>, handle: Handle<Message>): void {
    this.#receiveAll([{ batch, handle }])
  }

  #receiveAll(batches: { readonly batch: Batch<Message>; readonly handle: Handle<Message> }[]): void {
    for (const [port, handle] of this.#ports) {
      for (;;) {
        const received = receiveMessageOnPort(port)
        if (received === undefined) break
        batches.push({ batch: received.message as Batch<Message>, handle })
      }
    }
    if (batches.length > 1) batches.sort((one, other) => one.batch.sentAtMs - other.batch.sentAtMs)
    for (const { batch, handle } of batches) for (const message of batch.messages) handle(message)
  }
}
