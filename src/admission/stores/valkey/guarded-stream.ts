// Puts the guard between a connection and the client library.
//
// Failure policy: a connection over which something unlawful comes is closed before the library has seen it, and says why.
import type { Socket } from 'node:net'
import { ReplyGuard } from './reply-guard.ts'
import { StoreFault } from './store-fault.ts'

interface GuardedClient {
  readonly stream: Pick<Socket, 'destroy' | 'listeners' | 'on' | 'pause' | 'removeListener' | 'resume'>
  /** Commands without a reply. */
  readonly commandQueue: { readonly length: number }
}

/**
 * Of one reply: 32 MiB. The longest lawful ones are those of look.lua, at most 8 MiB, and of CLUSTER SLOTS, which has 5 MB where
 * each slot is on another node than the one before; pieces of lists of keys and of answers about usage have at most 256 KiB.
 */
const maxBytes = 32 * 1024 * 1024
/** As many values take some 50 MB of memory. The longest lawful reply has 200,000 (look.lua). */
const maxValues = 256 * 1024
/** Of messages from the channel, in each such time: 25,000 messages a second, a dozen times what 64 busy gateways send. */
const maxNewsBytes = 256 * 1024
const newsPeriodMs = 100

const guarded = new WeakMap<
  object,
  { readonly guard: ReplyGuard; fault: StoreFault | undefined; isNews: boolean }
>()

/**
 * From now on the library reads what the guard has let pass.
 * @throws Error where the library reads in another way than it did.
 */
export function guardReplies(client: GuardedClient): void {
  const { stream } = client
  const [read, ...others] = stream.listeners('data') as ((chunk: Buffer) => void)[]
  if (read === undefined || others.length > 0)
    throw new Error('the client library has not one reader of its stream')
  const guard = new ReplyGuard({ maxBytes, maxValues })
  const state = { guard, fault: undefined as StoreFault | undefined, isNews: false }
  guarded.set(client, state)
  let newsBytes = 0
  const take = (chunk: Buffer): void => {
    if (state.fault !== undefined) return
    const before = guard.replies
    let violation = guard.take(chunk)
    if (!state.isNews && guard.replies - before > client.commandQueue.length)
      violation ??= 'it sent a reply to nothing that was asked'
    if (violation !== undefined) {
      state.fault = new StoreFault('garbled', `the server is none that can be used: ${violation}`)
      stream.destroy()
      return
    }
    if (state.isNews) {
      if (newsBytes === 0) {
        setTimeout(() => {
          newsBytes = 0
          stream.resume()
        }, newsPeriodMs).unref()
      }
      newsBytes += chunk.length
      if (newsBytes > maxNewsBytes) stream.pause()
    }
    read(chunk)
  }
  stream.removeListener('data', read)
  stream.on('data', take)
}

/** To be called before the channel is subscribed to. @throws Error for a connection without a guard. */
export function expectNews(client: object): void {
  const state = guarded.get(client)
  if (state === undefined) throw new Error('a connection for news has no guard')
  state.isNews = true
  state.guard.expectNews()
}

/** Why the guard has closed a connection. Undefined: it has not. */
export function violationOf(client: object): StoreFault | undefined {
  return guarded.get(client)?.fault
}
